"""What can stand in the way of a command, as one sentence. Imported only once something does: it knows every library."""

from aiokafka.errors import KafkaError
from asyncpg import InterfaceError, PostgresError, UndefinedTableError
from sqlalchemy.exc import SQLAlchemyError

from cli.bench.load import LoadError
from cli.send import LineError
from cli.shell import UsageError
from cli.system import NotRunningError
from cli.up import StartError
from services.journal.rebuild import RebuildError
from services.payment.gateways.ledger import LedgerError
from shared.alerts.views import NotFoundError
from shared.client import OutcomeTimeoutError
from shared.journal.trace import NotOneError
from shared.runtime.kafka import TopicsError
from shared.runtime.migrations import MigrationsError
from shared.settings import SettingsError
from stack import StackError

_REFUSED = (
    LedgerError,
    LineError,
    LoadError,
    MigrationsError,
    NotFoundError,
    NotOneError,
    NotRunningError,
    OutcomeTimeoutError,
    RebuildError,
    SettingsError,
    StackError,
    StartError,
    TopicsError,
    UsageError,
)
_AWAY = (KafkaError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError)


def sentence(error: Exception) -> str | None:
    """What to tell whoever gave the command, or nothing where the error is a fault of ours."""
    if isinstance(error, _REFUSED):
        return str(error)
    if isinstance(error, UndefinedTableError):
        return f"a database is at another version than this code: run `quadrille migrate` ({error})"
    return f"the broker or a database cannot be reached: {error!r}" if isinstance(error, _AWAY) else None
