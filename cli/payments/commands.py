"""Each command publishes what was decided, with who and why, and waits for what payment says to it."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from cli import system
from cli.payments.lookup import checkout_of
from cli.shell import STATE, WRONG, Json, State, console, run
from cli.staff import USER, By, Why, desk, line_to, say, typed
from services.alerts import views
from services.alerts.model import Alert
from shared.client.staff import Decided, patience, settle
from shared.contract.message import Message
from shared.contract.payment import (
    MarkPaid,
    MarkRefunded,
    MarkVoided,
    PaymentCommand,
    RetryRefund,
    RetryVoid,
    SettlementDisputed,
)
from shared.contract.rejection import CommandRejected
from shared.contract.values import cart_of

MAX_CONCURRENT_RETRIES: Final = 8
RETRIES: Final[dict[str, type[PaymentCommand]]] = {"void_failed": RetryVoid, "refund_failed": RetryRefund}
"""What tries again, by the kind of the alert."""
app = typer.Typer(
    no_args_is_help=True,
    help="What staff decide about a customer's money: by order number (Q-0001001) or checkout id (CART.1).",
    epilog="Example: quadrille payments retry-void --help. Exit codes: 0 done, 1 refused, failed again or not answered in"
    " time, 2 nothing could be done.",
)
Although = Annotated[
    bool, typer.Option("--although", help="Record it although the gateway says otherwise; the alert stays open.")
]
Patience = Annotated[
    float | None, typer.Option("--timeout", min=1, help="Seconds to wait for the outcome. Default: as long as it may take.")
]
Checkout = Annotated[str, typer.Argument(metavar="ORDER|CHECKOUT", help="The order's number or the checkout's id.")]


@app.command("retry-void", epilog='Example: quadrille payments retry-void Q-0001001 --why "the bank is back"')
def retry_void(
    checkout: Checkout, why: Why, by: By = USER, state: State = STATE, timeout: Patience = None, as_json: Json = False
) -> None:
    """Ask the gateway once more to release a hold whose void failed, and show what it says.

    What was captured after all is given back.
    """
    _decide(RetryVoid, checkout, by, why, state, timeout, as_json)


@app.command("retry-refund", epilog='Example: quadrille payments retry-refund Q-0001001 --why "the gateway is back"')
def retry_refund(
    checkout: Checkout, why: Why, by: By = USER, state: State = STATE, timeout: Patience = None, as_json: Json = False
) -> None:
    """Ask the gateway once more for a refund that failed, and show what it says."""
    _decide(RetryRefund, checkout, by, why, state, timeout, as_json)


@app.command("retry-failed", epilog='Example: quadrille payments retry-failed --why "the gateway is back"')
def retry_failed(why: Why, by: By = USER, state: State = STATE, timeout: Patience = None, as_json: Json = False) -> None:
    """Ask the gateway once more for every void and refund that failed, and show what it says of each."""

    async def work() -> list[Decided]:
        async with desk(state) as engine:
            failed = [alert for alert in await views.open_alerts(engine) if alert.kind in RETRIES]
        slots, seconds = asyncio.Semaphore(MAX_CONCURRENT_RETRIES), timeout or patience(system.settings(state))
        async with line_to(state, "payment") as client:

            async def retry(alert: Alert) -> Decided:
                checkout_id = alert.checkout_id or ""
                command = typed(RETRIES[alert.kind], cart_id=cart_of(checkout_id), checkout_id=checkout_id, by=by, why=why)
                async with slots:
                    return (await settle(client, command, seconds))[0]

            return await asyncio.gather(*map(retry, failed))

    decided = run(work())
    if not decided and not as_json:
        console.print("No void and no refund has failed.")
    say(decided, as_json)


@app.command("mark-voided", epilog='Example: quadrille payments mark-voided Q-0001001 --why "released by the bank, call 4711"')
def mark_voided(
    checkout: Checkout,
    why: Why,
    although: Although = False,
    by: By = USER,
    state: State = STATE,
    timeout: Patience = None,
    as_json: Json = False,
) -> None:
    """Say that the hold was released by hand. The gateway is asked first."""
    _decide(MarkVoided, checkout, by, why, state, timeout, as_json, although=although)


@app.command("mark-refunded", epilog='Example: quadrille payments mark-refunded Q-0001001 --why "bank transfer 4711"')
def mark_refunded(
    checkout: Checkout,
    why: Why,
    although: Although = False,
    by: By = USER,
    state: State = STATE,
    timeout: Patience = None,
    as_json: Json = False,
) -> None:
    """Say that the money was given back by hand. The gateway is asked first.

    What went back on another way than through the gateway is recorded with --although.
    """
    _decide(MarkRefunded, checkout, by, why, state, timeout, as_json, although=although)


@app.command("mark-paid", epilog='Example: quadrille payments mark-paid Q-0001001 --why "cash, driver 12"')
def mark_paid(
    checkout: Checkout, why: Why, by: By = USER, state: State = STATE, timeout: Patience = None, as_json: Json = False
) -> None:
    """Say that the money of a deferred payment was received."""
    _decide(MarkPaid, checkout, by, why, state, timeout, as_json)


def _decide(
    kind: type[PaymentCommand],
    named: str,
    by: str,
    why: str,
    state: Path,
    timeout: float | None,
    as_json: bool,
    **more: bool,
) -> None:
    async def work() -> tuple[Decided, Message | None]:
        cart_id, checkout_id = await checkout_of(state, named)
        command = typed(kind, cart_id=cart_id, checkout_id=checkout_id, by=by, why=why, **more)
        async with line_to(state, "payment") as client:
            return await settle(client, command, timeout or patience(system.settings(state)))

    decided, event = run(work())
    if as_json:
        told = {"event": type(event).__name__, **event.model_dump(mode="json")} if event else {"event": None}
        settled = decided.done and not isinstance(event, SettlementDisputed)
        console.print_json(json.dumps({"settled": settled, **told}))
    else:
        console.print(escape(decided.words), soft_wrap=True)
        if isinstance(event, CommandRejected) and any(reason.subject == "although" for reason in event.reasons):
            console.print("To record it all the same, add --although; the alert then stays open.")
    if not decided.done:
        raise typer.Exit(WRONG)
