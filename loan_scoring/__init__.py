"""Loan scoring: applications from a topic, each scored once by a versioned model, to one row of a lakehouse table."""
