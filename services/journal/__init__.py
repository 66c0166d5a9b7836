"""The journal: what happened to each cart, checkout, order and SKU, when, why, and by which service.

A read model of all topics with its own database. No service depends on it, it emits no events, and it can be dropped and
rebuilt from the topics. It stores as little personal data as possible (see ``redaction``).
"""
