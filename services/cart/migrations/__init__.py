"""The versions of cart's database."""
