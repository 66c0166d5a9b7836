"""Where a process can die: each place where it meets the world outside, named by the code itself.

What is outside changes only there: at a statement, at a commit, at a request to Kafka, at a call to the gateway. To die
between two such places is to die after the one or before the other. They are watched in the libraries that all of them
pass through; the services know nothing of it.
"""

import asyncio
import functools
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from aiokafka.client import AIOKafkaClient
from sqlalchemy import Engine, TextClause, event
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import Gateway

Passed = Callable[[str], None]
CALLS = tuple(name for name in vars(Gateway) if not name.startswith("_") and name != "close")
"""What is asked of a gateway."""

UNDER_WAY = dict.fromkeys(("Kafka Produce", "Kafka OffsetCommit", "Kafka JoinGroup"), 0.001) | dict.fromkeys(
    (f"gateway {call}" for call in CALLS if call != "look_up"), 0.01
)
"""The requests that change something outside, and how many seconds after their beginning they have surely left us."""


@functools.cache
def statements(service: str) -> dict[str, str]:
    """The names of all statements that a service and the runtime have, by their text: ``outbox insert``, ``carts lock``."""
    import_module(f"services.{service}.__main__")  # whatever the service needs is imported now
    return {
        clause.text: f"{owner} {name.strip('_').lower().replace('_', ' ')}"
        for owner, attributes in _owners(("shared.runtime.", f"services.{service}."))
        for name, clause in list(attributes.items())
        if isinstance(clause, TextClause)
    }


def beginning(statement: str) -> str:
    """The name of a statement that has no other."""
    return " ".join(statement.split()[:4])


def _owners(prefixes: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Modules and stores, with what they hold."""
    for name, module in list(sys.modules.items()):
        if name.startswith(prefixes):
            yield name.rpartition(".")[2], vars(module)
            yield from ((store.table.name, vars(store)) for store in getattr(module, "STORES", ()))


def watch(service: str, passed: Passed) -> None:
    """Have ``passed`` called with each point that this process passes."""
    _watch_statements(service, passed)
    _watch_commits(passed)
    _watch_calls(AIOKafkaClient, "send", passed, lambda node, request, **_: f"Kafka {_kind(request)}")
    for call in CALLS if service == "payment" else ():
        _watch_calls(HttpGateway, call, passed, lambda *_, call=call: f"gateway {call}")


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
    """A transaction is named by its first statement: batches begin by the check of ownership. One without any is none."""
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
