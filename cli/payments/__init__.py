"""``quadrille payments``: what staff decide about a customer's money."""
