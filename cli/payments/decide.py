"""Finds the checkout that an operator names, publishes a decision about its payment, and prints the outcome."""

import asyncio
import re
from pathlib import Path
from typing import Final

import typer
from rich.markup import escape
from sqlalchemy import text

from cli import system
from cli.decisions import alerts_db, build_command, client_for, print_results
from cli.shell import WRONG, UsageError, console, print_json, run
from services.alerts import views
from services.alerts.model import Alert
from shared.client.staff import DecisionResult, patience, settle
from shared.contract.message import Message
from shared.contract.payment import PaymentCommand, RetryRefund, RetryVoid, SettlementDisputed
from shared.contract.rejection import CommandRejected
from shared.contract.values import cart_of
from shared.runtime.postgres.database import open_engine

MAX_CONCURRENCY: Final = 8
"""Retries in flight at once."""
RETRIES: Final[dict[str, type[PaymentCommand]]] = {"void_failed": RetryVoid, "refund_failed": RetryRefund}
"""The command that retries, by the kind of the alert."""
_NUMBER: Final = re.compile(r"Q-0*(\d{1,18})")
_ORDER: Final = text(
    "SELECT checkout_id FROM checkouts WHERE number = :number AND state IN ('created', 'confirmed', 'cancelled')"
)


def decide(
    kind: type[PaymentCommand],
    name: str,
    by: str,
    why: str,
    state: Path,
    timeout: float | None,
    as_json: bool,
    **more: bool,
) -> None:
    """Send one decision and print its outcome; exit with :data:`WRONG` unless it was done."""

    async def work() -> tuple[DecisionResult, Message | None]:
        cart_id, checkout_id = await checkout_of(state, name)
        command = build_command(kind, cart_id=cart_id, checkout_id=checkout_id, by=by, why=why, **more)
        async with client_for(state, "payment") as client:
            return await settle(client, command, timeout or patience(system.settings(state)))

    decided, event = run(work())
    if as_json:
        data = {"event": type(event).__name__, **event.model_dump(mode="json")} if event else {"event": None}
        print_json({"settled": decided.done and not isinstance(event, SettlementDisputed), **data})
    else:
        console.print(escape(decided.text), soft_wrap=True)
        if isinstance(event, CommandRejected) and any(reason.subject == "although" for reason in event.reasons):
            console.print("To record it anyway, add --although; the alert stays open.")
    if not decided.done:
        raise typer.Exit(WRONG)


def retry_all(by: str, why: str, state: Path, timeout: float | None, as_json: bool) -> None:
    """Retry every payment with an open alert of a failed void or refund, and print the outcomes."""

    async def work() -> list[DecisionResult]:
        async with alerts_db(state) as engine:
            failed = [alert for alert in await views.open_alerts(engine) if alert.kind in RETRIES]
        slots, seconds = asyncio.Semaphore(MAX_CONCURRENCY), timeout or patience(system.settings(state))
        async with client_for(state, "payment") as client:

            async def retry(alert: Alert) -> DecisionResult:
                checkout_id = alert.checkout_id or ""
                fields = {"cart_id": cart_of(checkout_id), "checkout_id": checkout_id, "by": by, "why": why}
                async with slots:
                    return (await settle(client, build_command(RETRIES[alert.kind], **fields), seconds))[0]

            return await asyncio.gather(*map(retry, failed))

    results = run(work())
    if not results and not as_json:
        console.print("No void or refund has failed")
    print_results(results, as_json)


async def checkout_of(state: Path, name: str) -> tuple[str, str]:
    """The cart and the checkout of an order number (``Q-0001001``) or of a checkout id.

    Raises :class:`UsageError` if it is neither, and ``SettingsError`` if order's database is needed and not set.
    """
    checkout_id = await _of_order(state, int(number[1])) if (number := _NUMBER.fullmatch(name)) else name
    cart_id = cart_of(checkout_id)
    if cart_id is None:
        raise UsageError(f"{name!r} is neither an order number, such as Q-0001001, nor a checkout id, such as CART.1")
    return cart_id, checkout_id


async def _of_order(state: Path, number: int) -> str:
    async with open_engine(system.settings(state).database_url("order")) as engine, engine.connect() as connection:
        found: str | None = (await connection.execute(_ORDER, {"number": number})).scalar_one_or_none()
    if found is None:
        raise UsageError(f"no order Q-{number:07d}")
    return found
