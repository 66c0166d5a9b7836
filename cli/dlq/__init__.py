"""``quadrille dlq``: messages that could not be read or handled."""
