"""Traffic as the real bank's producers send it, and a bank for it to happen in: seeded, so that it can be had again."""
