"""Dead letters: a list with a histogram of their causes, and each with its record, decoded and raw."""

from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.alerts import views
from services.alerts.model import DeadLetter
from services.alerts.payload import DECODED, DUMPED, SHOWN, decoded, dump, shown
from services.alerts.states import DeadLetterState
from services.alerts.views import Filter
from services.console.actions import of_dead_letter
from services.console.context import console, page
from services.console.pages.paging import paging
from shared.contract.services import REDRIVABLE
from shared.contract.text import is_plain
from shared.runtime.records import unpack

LISTED: Final = 100
CAUSES: Final = 12
WHICH: Final[dict[str, tuple[DeadLetterState, ...]]] = {
    "unresolved": views.UNRESOLVED_DEAD_LETTERS,
    **{state: (state,) for state in DeadLetterState},
}


async def index(request: Request) -> Response:
    """List dead letters, failed compensations first, then the oldest; with a histogram of their causes."""
    asked = request.query_params
    which = asked.get("which", "unresolved")
    which = which if which in WHICH else "unresolved"
    service = asked.get("service") or None
    reason = asked.get("reason", "").strip()[:SHOWN] or None
    readable = all(text is None or is_plain(text) for text in (service, reason))
    chosen = Filter(WHICH[which], service=service if readable else "", reason=reason if readable else None)
    engine = console(request).alerts
    total, causes = await views.causes(engine, chosen, CAUSES)
    at = replace(paging(asked, LISTED, {"which": which, "service": service or "", "reason": reason or ""}), total=total)
    values: dict[str, Any] = {
        "which": which,
        "choices": tuple(WHICH),
        "service": service or "",
        "services": REDRIVABLE,
        "reason": reason or "",
        "paging": at,
        "causes": causes,
        "most": max((cause.dead_letters for cause in causes), default=1),
        "found": await views.dead_letters(engine, chosen, at.size, at.offset),
    }
    return page(request, "dead_letters.html", live="/live?view=frame", **values)


async def show(request: Request) -> Response:
    """Show a dead letter. Raises :class:`services.alerts.views.NotFoundError`."""
    here, named = console(request), request.path_params["dead_letter_id"]
    dead_letter = await views.dead_letter(here.alerts, named)
    if dead_letter.dead_letter_id != named:
        return RedirectResponse(f"/dead-letters/{dead_letter.dead_letter_id}", 303)
    record = await views.record(here.alerts, dead_letter.dead_letter_id)
    text = decoded(record.value) if record.value is not None else None
    values: dict[str, Any] = {
        **dead_letter_values(dead_letter),
        "alert": await views.alert(here.alerts, dead_letter.alert_id),
        "headers": [(shown(name.encode()), shown(value)) for name, value in unpack(record.headers)],
        "key": shown(record.key),
        "text": text[:DECODED] if text is not None else None,
        "more": max(0, len(text or "") - DECODED),
        "dump": list(dump(record.value or b"", DUMPED)),
    }
    return page(request, "dead_letter.html", live=f"/live?view=dead_letter&name={dead_letter.dead_letter_id}", **values)


def dead_letter_values(dead_letter: DeadLetter) -> dict[str, Any]:
    """The values of a dead letter's live parts."""
    return {"dead_letter": dead_letter, "history": dead_letter.actions, "actions": of_dead_letter(dead_letter)}
