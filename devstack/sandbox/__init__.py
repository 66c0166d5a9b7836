"""A payment gateway to play with: Stripe-like, with a durable ledger of its own, and no real money.

It is a separate process (``python -m devstack.sandbox``) and imports nothing of the shop. Unlike the usual stand-ins it keeps
both idempotency keys and state, so that a double charge shows up in its ledger instead of staying unseen.
"""
