"""Card payments and their fraud score: message type `card_transaction`, table `card_transactions`."""
