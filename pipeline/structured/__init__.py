"""How the analytics run: Kafka to Spark's Structured Streaming to what a service does, once in effect.

Start with `service.py`: what a service is. It knows no market.
"""
