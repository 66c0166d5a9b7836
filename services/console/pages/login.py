"""The login, if the console has a password."""

import math
import time

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console.context import console, page
from services.console.session import Guesses, form, local, log_in, log_out, same
from shared.contract.message import Text

_NAME = TypeAdapter(Text)


async def ask(request: Request) -> Response:
    """Show the form."""
    return _form(request, local(request.query_params.get("next", "/")))


async def answer(request: Request) -> Response:
    """Check the form. A wrong password uses up one of the attempts of the client's address."""
    fields, guesses = await form(request), _guesses(request)
    address, now, wanted = request.client.host if request.client else "", time.monotonic(), local(fields.get("next", "/"))
    if (seconds := guesses.wait(address, now)) > 0:
        refused = _form(request, wanted, f"Too many wrong passwords. Try again in {math.ceil(seconds / 60)} min.", 429)
        refused.headers["Retry-After"] = str(math.ceil(seconds))
        return refused
    password = console(request).settings.console_password
    if password is None or not same(fields.get("password", ""), password.get_secret_value()):
        guesses.wrong(address, now)
        return _form(request, wanted, "Wrong password", 403)
    try:
        name = _NAME.validate_python(fields.get("name", "").strip())
    except ValidationError:
        return _form(request, wanted, "Your name must have 1 to 200 characters and no control characters.", 400)
    log_in(request, name)
    return RedirectResponse(wanted, 303)


async def leave(request: Request) -> Response:
    """Log out."""
    await form(request)
    log_out(request)
    return RedirectResponse("/login", 303)


def _guesses(request: Request) -> Guesses:
    found: Guesses = request.app.state.guesses
    return found


def _form(request: Request, wanted: str, problem: str = "", status: int = 200) -> Response:
    return page(request, "login.html", status, next=wanted, problem=problem)
