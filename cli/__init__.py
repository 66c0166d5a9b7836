"""The command ``quadrille``."""
