"""The contract, read a second time: a slow and obvious model of every rule, for comparison with the service.

It shares no code with the service and nothing but the text of the contract with its authors. Where the two
differ, one of them misread the contract.
"""
