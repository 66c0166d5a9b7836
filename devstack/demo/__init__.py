"""``quadrille demo``: real checkouts through Kafka, the failing ones compensated."""
