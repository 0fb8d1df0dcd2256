"""The market: candles of symbols into MongoDB, trades into windows."""
