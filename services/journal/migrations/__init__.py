"""The versions of the journal's database."""
