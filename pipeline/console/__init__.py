"""The operators' command line as services plug into it; what people see of an answer, and what machines do.

Start with `command_line.py`.
"""
