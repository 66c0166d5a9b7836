"""Sends the actions of operators as commands on Kafka, with who and why, and shows the outcome."""

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
from shared.contract.message import Command, Message
from shared.contract.payment import MarkRefunded, MarkVoided
from shared.contract.topics import events_topic

ANSWER_SECONDS: Final = 15.0
"""How long to wait for an answer. A later one appears on the page."""
Fields = dict[str, str]
Result = tuple[str, bool]
"""The outcome in a sentence, and whether it is a success."""


async def alert(request: Request) -> Response:
    """Acknowledge or resolve an alert."""
    return await _decide(request, _alert)


async def dead_letter(request: Request) -> Response:
    """Redrive, park or resolve a dead letter."""
    return await _decide(request, _dead_letter)


async def payment(request: Request) -> Response:
    """Retry or settle a stuck payment."""
    return await _decide(request, _payment)


async def _decide(request: Request, act: Callable[[Console, str, Fields, Fields], Awaitable[Result]]) -> Response:
    fields, here = await form(request), console(request)
    decision = {"by": who(request, here.user) or "", "why": fields.get("why", "").strip()}
    try:
        text, good = await act(here, request.path_params["subject"], fields, decision)
    except FaultsError as error:
        text, good = f"Nothing was done: {error}", False
    except (KafkaError, OSError, TimeoutError) as error:
        text, good = f"Nothing was done: Kafka cannot be reached ({type(error).__name__})", False
    flash(request, text, good=good)
    return RedirectResponse(local(fields.get("back", "/")), 303)


async def _alert(here: Console, alert_id: str, fields: Fields, decision: Fields) -> Result:
    kind, wanted = _named(actions.ALERTS, fields)
    more = {"settled": True} if fields["action"] == actions.RESOLVE_SETTLED.name else {}
    return await _send_and_wait(here, command(kind, alert_id=alert_id, **decision, **more), wanted)


async def _dead_letter(here: Console, dead_letter_id: str, fields: Fields, decision: Fields) -> Result:
    kind, wanted = _named(actions.LETTERS, fields)
    if kind is RedriveDeadLetter:
        again = command(RedriveDeadLetter, dead_letter_id=dead_letter_id, parked=True, **decision)
        async with _client(here, "alerts") as client:
            replayed = await redrive(client, again, ANSWER_SECONDS)
        return f"Redriven: {replayed.outcome}; {replayed.text}", replayed.outcome == "handled"
    return await _send_and_wait(here, command(kind, dead_letter_id=dead_letter_id, **decision), wanted)


async def _send_and_wait(here: Console, sent: Command, wanted: type[Message]) -> Result:
    async with _client(here, "alerts") as client:
        decided = await decide(client, sent, wanted, ANSWER_SECONDS)
    return decided.text.capitalize(), decided.done


async def _payment(here: Console, checkout_id: str, fields: Fields, decision: Fields) -> Result:
    kind = _named(actions.PAYMENTS, fields)
    known = [match for match in await queries.find(here.journal, checkout_id) if match.checkout_id == checkout_id]
    if not known:
        raise HTTPException(404)
    more = {"although": True} if kind in (MarkVoided, MarkRefunded) and fields.get("although") else {}
    sent = command(kind, cart_id=known[0].key, checkout_id=checkout_id, **decision, **more)
    async with _client(here, "payment") as client:
        decided, _ = await settle(client, sent, patience(here.settings))
    return decided.text, decided.done


def _named(known: dict[str, Any], fields: Fields) -> Any:
    """The command of a button."""
    if fields.get("action") not in known:
        raise HTTPException(400)
    return known[fields["action"]]


def _client(here: Console, service: str) -> CheckoutClient:
    """A client that receives the answers of a service."""
    return CheckoutClient(here.settings, SOURCE, [events_topic(service)])
