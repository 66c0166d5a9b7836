"""``quadrille bench``: confirmed checkouts per second, their latency, and what they cost."""
