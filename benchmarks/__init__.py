"""How fast the service is, beside the old way and beside what the database can do at best: `python -m benchmarks`."""
