"""``quadrille stuck``: what does not move, grouped by what it waits for."""
