"""The commands of `python -m loan_scoring`."""
