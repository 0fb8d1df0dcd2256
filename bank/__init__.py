"""What the four domains share: statuses, accounts, cards and loans under lock, and what a decision does to them."""
