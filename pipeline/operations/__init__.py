"""What operators do: look, check, audit, compare, redrive, replay; letters/, audit/, check/, and commands/ on top.

Start with `workbench.py`.
"""
