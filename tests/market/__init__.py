"""The market's tests, and the batch computation that its figures are compared with."""
