"""Letters of the money: an item's fields, and the table in DynamoDB.

Start with `items.py`.
"""
