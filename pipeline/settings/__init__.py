"""Environment variables as groups, of which each service's settings are composed.

Start with `group.py`.
"""
