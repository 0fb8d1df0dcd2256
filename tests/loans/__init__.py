"""Loan scoring, told again for its tests and its demo."""
