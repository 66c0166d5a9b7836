"""``quadrille journal``: what concerns the journal as a whole."""
