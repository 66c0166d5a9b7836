"""``quadrille demo``: checkout scenarios through Kafka, many of them failing and compensated."""
