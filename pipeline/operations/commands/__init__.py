"""The commands themselves: what they are asked, and how they answer.

Start with `looking.py`.
"""
