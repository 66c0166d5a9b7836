"""``quadrille dlq``: messages that could not be read or handled."""

from cli.dlq.commands import app

__all__ = ["app"]
