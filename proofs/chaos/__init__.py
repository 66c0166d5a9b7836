"""``quadrille chaos``: faults of every kind on a running system under load, by a seed, and an audit of what came of it."""
