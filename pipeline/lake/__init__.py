"""Tables of the lakehouse (Iceberg): made right, written once whatever is retried, kept in few files.

Start with `lake.py`: where it is. `table.py` makes tables, `append.py` and `merge.py` write them, `maintenance.py`
keeps them small. It knows no page views and no loans.
"""
