"""The embedded stack: a real PostgreSQL and a real Kafka broker on a machine that has only Python."""

from stack.embedded import EmbeddedStack
from stack.errors import StackError

__all__ = ["EmbeddedStack", "StackError"]
