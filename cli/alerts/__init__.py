"""``quadrille alerts``: what needs a person."""
