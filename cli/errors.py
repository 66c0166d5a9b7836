"""Turns an exception into one sentence for the operator. Imports every library, so import it only after an error."""

from aiokafka.errors import KafkaError
from asyncpg import InterfaceError, PostgresError, UndefinedTableError
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import QuadrilleError

_UNREACHABLE = (KafkaError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError)


def sentence(error: Exception) -> str | None:
    """What to print for an error of the operator or the environment; nothing for a bug of ours."""
    if isinstance(error, QuadrilleError):
        return str(error)
    if isinstance(error, UndefinedTableError):
        return f"a database has another schema version than this code: run `quadrille migrate` ({error})"
    return f"Kafka or a database cannot be reached: {error!r}" if isinstance(error, _UNREACHABLE) else None
