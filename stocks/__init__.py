"""Stock quotes: message type `stock`, table `stocks`."""
