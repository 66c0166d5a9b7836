"""The payments commands: each publishes an operator's decision and waits for the outcome."""

from typing import Annotated

import typer

from cli.options import USER, By, Why
from cli.shell import STATE, Json, State

app = typer.Typer(
    no_args_is_help=True,
    help="Settle payments by hand.\n\nName a payment by its order number (Q-0001001) or checkout id (CART.1).",
    epilog="Example: quadrille payments retry-void --help. Exit codes: 0 done, 1 refused, failed again or not answered in"
    " time, 2 could not run.",
)
Although = Annotated[
    bool, typer.Option("--although", help="Record it even if the gateway contradicts it; the alert stays open.")
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=1, help="Seconds to wait for the outcome (default: twice the gateway's timeout plus 15)."),
]
Checkout = Annotated[str, typer.Argument(metavar="ORDER|CHECKOUT", help="Order number or checkout id.")]


@app.command("retry-void", epilog='Example: quadrille payments retry-void Q-0001001 --why "the bank is back"')
def retry_void(
    checkout: Checkout, why: Why, by: By = USER, state: State = STATE, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Retry a failed void once.

    Prints the gateway's answer. If the payment was captured after all, it is refunded.
    """
    from cli.payments.decide import decide
    from shared.contract.payment import RetryVoid

    decide(RetryVoid, checkout, by, why, state, timeout, as_json)


@app.command("retry-refund", epilog='Example: quadrille payments retry-refund Q-0001001 --why "the gateway is back"')
def retry_refund(
    checkout: Checkout, why: Why, by: By = USER, state: State = STATE, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Retry a failed refund once.

    Prints the gateway's answer.
    """
    from cli.payments.decide import decide
    from shared.contract.payment import RetryRefund

    decide(RetryRefund, checkout, by, why, state, timeout, as_json)


@app.command("retry-failed", epilog='Example: quadrille payments retry-failed --why "the gateway is back"')
def retry_failed(why: Why, by: By = USER, state: State = STATE, timeout: Timeout = None, as_json: Json = False) -> None:
    """Retry all failed voids and refunds once.

    Prints the gateway's answer to each.
    """
    from cli.payments.decide import retry_all

    retry_all(by, why, state, timeout, as_json)


@app.command("mark-voided", epilog='Example: quadrille payments mark-voided Q-0001001 --why "released by the bank, call 4711"')
def mark_voided(
    checkout: Checkout,
    why: Why,
    although: Although = False,
    by: By = USER,
    state: State = STATE,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Record that an authorization was released by hand.

    The gateway is asked first.
    """
    from cli.payments.decide import decide
    from shared.contract.payment import MarkVoided

    decide(MarkVoided, checkout, by, why, state, timeout, as_json, although=although)


@app.command("mark-refunded", epilog='Example: quadrille payments mark-refunded Q-0001001 --why "bank transfer 4711"')
def mark_refunded(
    checkout: Checkout,
    why: Why,
    although: Although = False,
    by: By = USER,
    state: State = STATE,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Record that a payment was refunded by hand.

    The gateway is asked first. Use --although for a refund that did not go through the gateway.
    """
    from cli.payments.decide import decide
    from shared.contract.payment import MarkRefunded

    decide(MarkRefunded, checkout, by, why, state, timeout, as_json, although=although)


@app.command("mark-paid", epilog='Example: quadrille payments mark-paid Q-0001001 --why "cash, driver 12"')
def mark_paid(
    checkout: Checkout, why: Why, by: By = USER, state: State = STATE, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Record that a deferred payment was received."""
    from cli.payments.decide import decide
    from shared.contract.payment import MarkPaid

    decide(MarkPaid, checkout, by, why, state, timeout, as_json)
