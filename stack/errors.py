"""What keeps the embedded stack from starting."""


class StackError(Exception):
    """The stack cannot start or go on; the message says why and what to do."""
