"""What the runtime keeps in PostgreSQL: aggregates, inbox, outbox and the ownership of partitions."""
