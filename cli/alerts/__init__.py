"""``quadrille alerts``: list, acknowledge and resolve alerts."""
