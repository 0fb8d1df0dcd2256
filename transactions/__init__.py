"""Transfers between two accounts: message type `transaction`, table `transactions`."""
