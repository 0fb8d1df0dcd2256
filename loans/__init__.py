"""Payments of loans: message type `loan_payment`, table `loan_payments`."""
