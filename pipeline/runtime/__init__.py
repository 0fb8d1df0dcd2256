"""What any program of ours needs, and what knows nothing of ours: errors by fate, retries, the stop signal, logs, work
in the background.

Start with `errors.py`.
"""
