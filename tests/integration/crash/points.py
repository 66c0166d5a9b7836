"""Where a process can die: each place where it meets the world outside, named by the code itself.

What is outside changes only there: at a statement, at a commit, at a request to Kafka, at a call to the gateway. To die
between two such places is to die after the one or before the other. They are watched in the libraries that all of them
pass through; the services know nothing of it.
"""

import asyncio
import contextlib
import functools
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import import_module
from typing import Any

from aiokafka.client import AIOKafkaClient
from sqlalchemy import Engine, TextClause, event
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import Gateway
from shared.runtime.batch import Processor
from shared.runtime.inputs import WorkItem
from shared.runtime.postgres import inbox, outbox, ownership
from shared.runtime.postgres.session import Session

Passed = Callable[[str], None]
VERBS = ("INSERT", "SELECT", "UPDATE", "DELETE", "WITH")
BATCH, TIMERS = "/* batch commit */", "/* timers due */"
DYNAMIC = {BATCH: "batch commit", TIMERS: "timers due"}
"""Statements that are made as they are needed, by how they begin."""
CALLS = tuple(name for name in vars(Gateway) if not name.startswith("_") and name not in ("close", "ledger"))
"""What is asked of a gateway."""

UNDER_WAY = dict.fromkeys(("Kafka Produce", "Kafka OffsetCommit", "Kafka JoinGroup"), 0.001) | dict.fromkeys(
    (f"gateway {call}" for call in CALLS if call != "look_up"), 0.01
)
"""The requests that change something outside, and how many seconds after their beginning they have surely left us."""


@functools.cache
def statements(service: str) -> dict[str, str]:
    """The names of all statements that a service and the runtime have, by their text: ``outbox insert``, ``carts lock``."""
    import_module(f"services.{service}.__main__")  # whatever the service needs is imported now
    runtime = {
        statement: f"{module.__name__.rpartition('.')[2]} {_named(name)}"
        for module in (inbox, outbox, ownership)
        for name, statement in vars(module).items()
        if name.isupper() and isinstance(statement, str) and statement.startswith(VERBS) and "{}" not in statement
    }
    own = {
        clause.text: f"{module.__name__.rpartition('.')[2]} {_named(name)}"
        for module in [m for name, m in sys.modules.items() if name.startswith(f"services.{service}.")]
        for name, clause in vars(module).items()
        if isinstance(clause, TextClause)
    }
    stores = import_module(f"services.{service}.tables").STORES
    asked = {getattr(store, name): f"{store.table.name} {name}" for store in stores for name in ("read", "lock", "postpone")}
    asked |= {store.upsert("$1"): f"{store.table.name} upsert" for store in stores}
    timed = import_module(f"services.{service}.reactions").reactions.timers
    return runtime | own | asked | {begins: name for begins, name in DYNAMIC.items() if timed or begins != TIMERS}


def beginning(statement: str) -> str:
    """The name of a statement that has no other."""
    return " ".join(statement.split()[:4])


def _named(name: str) -> str:
    return name.strip("_").lower().replace("_", " ")


def watch(service: str, passed: Passed) -> None:
    """Have ``passed`` called with each point that this process passes.

    Every second batch is committed with locks, as if others were in its way, and what the others need is read anew, so that
    all statements are passed.
    """
    turns = itertools.cycle((True, False))

    def is_alone(processor: Processor, items: Sequence[WorkItem]) -> bool:
        processor.cache.clear()
        return next(turns)

    patched: Any = Processor
    patched._is_alone = is_alone
    _watch_sessions(service, passed)
    _watch_statements(service, passed)
    _watch_commits(passed)
    _watch_calls(AIOKafkaClient, "send", passed, lambda node, request, **_: f"Kafka {_kind(request)}")
    for call in CALLS if service == "payment" else ():
        _watch_calls(HttpGateway, call, passed, lambda *_, call=call: f"gateway {call}")


def _watch_sessions(service: str, passed: Passed) -> None:
    """The engine's own statements; one outside of a transaction is a commit by itself."""
    fetch, transaction = Session.fetch, Session.transaction
    first: dict[Session, str] = {}

    async def watched(self: Session, statement: str, *parameters: Any) -> list[Any]:
        name = next((name for begins, name in DYNAMIC.items() if statement.startswith(begins)), None)
        named = name or statements(service).get(statement) or beginning(statement)
        if self in first:
            first[self] = first[self] or named
        passed(f"before {named}")
        rows = await fetch(self, statement, *parameters)
        passed(f"after {named}")
        return rows

    @contextlib.asynccontextmanager
    async def committed(self: Session) -> AsyncIterator[None]:
        first[self] = ""
        try:
            async with transaction(self):
                yield
                passed(f"before commit of {first[self]}")
            passed(f"after commit of {first[self]}")
        finally:
            del first[self]

    patched: Any = Session
    patched.fetch, patched.transaction = watched, committed


def _watch_statements(service: str, passed: Passed) -> None:
    def name(statement: str, context: Any) -> str:
        asked = context.invoked_statement
        known = statements(service).get(asked.text) if isinstance(asked, TextClause) else None
        return known or beginning(statement)

    @event.listens_for(Engine, "begin")
    def begin(connection: Any) -> None:
        connection.info["transaction"] = ""

    @event.listens_for(Engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        named = name(statement, context)
        if not statement.startswith("SET"):
            connection.info["transaction"] = connection.info.get("transaction") or named
        passed(f"before {named}")

    @event.listens_for(Engine, "after_cursor_execute")
    def after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        passed(f"after {name(statement, context)}")


def _watch_commits(passed: Passed) -> None:
    """A transaction is named by its first statement. One without any is none."""
    owner: Any = PGDialect_asyncpg
    commit = owner.do_commit

    def watched(dialect: Any, connection: Any) -> None:
        if named := connection.info.get("transaction"):
            passed(f"before commit of {named}")
        commit(dialect, connection)
        if named:
            passed(f"after commit of {named}")

    owner.do_commit = watched


def _watch_calls(owner: type[Any], method: str, passed: Passed, name: Callable[..., str]) -> None:
    """Before the request leaves, while it is on its way, and after the answer came and before anybody has seen it."""
    call = getattr(owner, method)

    async def watched(self: Any, *arguments: Any, **more: Any) -> Any:
        named = name(*arguments, **more)
        passed(f"before {named}")
        asking = asyncio.ensure_future(call(self, *arguments, **more))
        try:
            if named in UNDER_WAY and not (await asyncio.wait({asking}, timeout=UNDER_WAY[named]))[0]:
                passed(f"during {named}")
            answer = await asking
        finally:
            asking.cancel()
        passed(f"after {named}")
        return answer

    setattr(owner, method, watched)


def _kind(request: Any) -> str:
    return type(request).__name__.removesuffix("Request")
