"""How fast the analytics are: `python -m benchmarks analytics`."""
