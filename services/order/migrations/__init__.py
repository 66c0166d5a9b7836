"""The versions of order's database."""
