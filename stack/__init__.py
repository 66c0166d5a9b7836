"""The embedded stack: a real PostgreSQL and a real Kafka broker on a machine that has only Python."""

from typing import TYPE_CHECKING, Any

from stack.errors import StackError

if TYPE_CHECKING:
    from stack.embedded import EmbeddedStack

__all__ = ["EmbeddedStack", "StackError"]


def __getattr__(name: str) -> Any:
    """The stack itself is imported when it is used: most commands only look for what runs."""
    if name == "EmbeddedStack":
        from stack.embedded import EmbeddedStack

        return EmbeddedStack
    raise AttributeError(name)
