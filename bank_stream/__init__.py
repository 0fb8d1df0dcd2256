"""The money's service as a whole: its name, its settings, and what the operators' commands are told of it."""
