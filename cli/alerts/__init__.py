"""``quadrille alerts``: what needs a person."""

from cli.alerts.commands import app

__all__ = ["app"]
