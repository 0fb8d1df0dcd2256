"""A trading day on one machine: `python -m market.day`.

Start with `steps.py`.
"""
