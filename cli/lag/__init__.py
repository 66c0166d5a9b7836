"""``quadrille lag``: how far every consumer group of a cluster is behind, and whether it keeps up."""
