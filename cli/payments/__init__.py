"""``quadrille payments``: settle payments by hand."""
