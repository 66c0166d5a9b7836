"""The versions of inventory's database."""
