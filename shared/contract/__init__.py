"""The contract: every message the services exchange. It is all they know of each other."""
