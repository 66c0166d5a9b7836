"""``quadrille dlq``: list, redrive, park and resolve dead letters."""
