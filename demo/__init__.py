"""The whole service on one machine, with traffic, and the proof that every message was accounted for."""
