"""What is decided on a page: it travels as a command on Kafka, with who and why, and what came of it is said."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.errors import KafkaError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console import actions
from services.console.context import Console, console
from services.console.session import flash, form, local, who
from services.journal import queries
from shared.client import CheckoutClient
from shared.client.staff import SOURCE, FaultsError, command, decide, patience, redrive, settle
from shared.contract.alerts import RedriveDeadLetter
from shared.contract.payment import MarkRefunded, MarkVoided
from shared.contract.topics import events_topic

PATIENCE_SECONDS: Final = 15.0
"""How long an answer is waited for; what comes later is seen on the page."""
Fields = dict[str, str]
Said = tuple[str, bool]
"""What came of it, in words, and whether that was what was wanted."""


async def alert(request: Request) -> Response:
    """Acknowledge or resolve an alert."""
    return await _decide(request, _alert)


async def letter(request: Request) -> Response:
    """Redrive, park or resolve a dead letter."""
    return await _decide(request, _letter)


async def payment(request: Request) -> Response:
    """Retry or settle by hand what is stuck of a payment."""
    return await _decide(request, _payment)


async def _decide(request: Request, act: Callable[[Console, str, Fields, Fields], Awaitable[Said]]) -> Response:
    fields, here = await form(request), console(request)
    decision = {"by": who(request, here.user) or "", "why": fields.get("why", "").strip()}
    try:
        words, good = await act(here, request.path_params["subject"], fields, decision)
    except FaultsError as error:
        words, good = f"Nothing was done: {error}", False
    except (KafkaError, OSError, TimeoutError) as error:
        words, good = f"Nothing was done: Kafka cannot be reached ({type(error).__name__})", False
    flash(request, words, good=good)
    return RedirectResponse(local(fields.get("back", "/")), 303)


async def _alert(here: Console, alert_id: str, fields: Fields, decision: Fields) -> Said:
    kind, wanted = _named(actions.ALERTS, fields)
    more = {"settled": True} if fields["action"] == actions.RESOLVE_SETTLED.name else {}
    made = command(kind, alert_id=alert_id, **decision, **more)
    async with _line(here, "alerts") as client:
        decided = await decide(client, made, wanted, PATIENCE_SECONDS)
    return decided.words.capitalize(), decided.done


async def _letter(here: Console, letter_id: str, fields: Fields, decision: Fields) -> Said:
    kind, wanted = _named(actions.LETTERS, fields)
    if kind is RedriveDeadLetter:
        again = command(RedriveDeadLetter, letter_id=letter_id, parked=True, **decision)
        async with _line(here, "alerts") as client:
            replayed = await redrive(client, again, PATIENCE_SECONDS)
        return f"Redriven: {replayed.outcome}; {replayed.words}", replayed.outcome == "handled"
    made = command(kind, letter_id=letter_id, **decision)
    async with _line(here, "alerts") as client:
        decided = await decide(client, made, wanted, PATIENCE_SECONDS)
    return decided.words.capitalize(), decided.done


async def _payment(here: Console, checkout_id: str, fields: Fields, decision: Fields) -> Said:
    kind = _named(actions.PAYMENTS, fields)
    known = [match for match in await queries.find(here.journal, checkout_id) if match.checkout_id == checkout_id]
    if not known:
        raise HTTPException(404)
    more = {"although": True} if kind in (MarkVoided, MarkRefunded) and fields.get("although") else {}
    made = command(kind, cart_id=known[0].story, checkout_id=checkout_id, **decision, **more)
    async with _line(here, "payment") as client:
        decided, _ = await settle(client, made, patience(here.settings))
    return decided.words, decided.done


def _named(known: dict[str, Any], fields: Fields) -> Any:
    """What the button stands for."""
    if fields.get("action") not in known:
        raise HTTPException(400)
    return known[fields["action"]]


def _line(here: Console, service: str) -> CheckoutClient:
    """A client that hears what a service answers."""
    return CheckoutClient(here.settings, SOURCE, [events_topic(service)])
