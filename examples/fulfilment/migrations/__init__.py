"""The versions of the database of fulfilment."""
