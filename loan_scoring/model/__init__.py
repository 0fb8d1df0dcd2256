"""Models: what they learn from, training, evaluation, the card. What trains is in requirements-training.txt."""
