"""What stands in the way of a program, and is no fault of its own."""


class QuadrilleError(Exception):
    """The message is one sentence for people: what happened and what to do. A command shows it in place of a traceback."""
