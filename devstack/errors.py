"""What keeps the embedded stack from starting."""

from shared.errors import QuadrilleError


class StackError(QuadrilleError):
    """The stack cannot start or go on; the message says why and what to do."""
