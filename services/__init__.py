"""The services: each owns its state, and none imports another."""
