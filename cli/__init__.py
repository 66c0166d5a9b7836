"""The command quadrille."""
