"""``quadrille payments``: what staff decide about a customer's money."""

from cli.payments.commands import app

__all__ = ["app"]
