"""What can stand in the way of a command, as one sentence. Imported only once something does: it knows every library."""

from aiokafka.errors import KafkaError
from asyncpg import InterfaceError, PostgresError, UndefinedTableError
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import QuadrilleError

_AWAY = (KafkaError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError)


def sentence(error: Exception) -> str | None:
    """What to tell whoever gave the command, or nothing where the error is a fault of ours."""
    if isinstance(error, QuadrilleError):
        return str(error)
    if isinstance(error, UndefinedTableError):
        return f"a database is at another version than this code: run `quadrille migrate` ({error})"
    return f"the broker or a database cannot be reached: {error!r}" if isinstance(error, _AWAY) else None
