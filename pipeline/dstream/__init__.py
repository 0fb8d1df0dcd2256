"""The money's engine: the driver's loop on a DStream, its tasks, the dry run, and in monitoring/ what it shows.

Start with `driver.py`.
"""
