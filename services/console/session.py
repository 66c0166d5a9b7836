"""Who is at the browser: a signed cookie that says it, a token in every form, and a password that is not guessed."""

import hashlib
import hmac
import math
import secrets
import time
from collections import OrderedDict, deque
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE: Final = "quadrille_console"
SESSION_SECONDS: Final = 12 * 3600
FORM_BYTES: Final = 16_384
FIELDS: Final = 20
TRIES, TRIES_SECONDS = 5, 300.0
"""Wrong passwords of one address within so many seconds, after which no more are looked at."""
ADDRESSES: Final = 10_000
FLASH_CHARACTERS: Final = 600
OPEN_TO_ALL: Final = ("/login", "/static/")


SESSIONS: Final = 10_000


class ForbiddenError(Exception):
    """A form that did not come from a page of this session."""


class FormError(Exception):
    """A form nobody filled in here."""


class Sessions:
    """Sessions in a signed cookie, which only comes back over HTTPS where it was set over HTTPS. Ends with the process."""

    def __init__(self, app: ASGIApp) -> None:
        secret = secrets.token_urlsafe(32)
        self._plain = SessionMiddleware(app, secret, COOKIE, SESSION_SECONDS, same_site="lax")
        self._secure = SessionMiddleware(app, secret, COOKIE, SESSION_SECONDS, same_site="lax", https_only=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        await (self._secure if scope.get("scheme") == "https" else self._plain)(scope, receive, send)


class Logins:
    """Who is logged in, in the memory of this process: a cookie says which login it belongs to and no more.

    So a login ends when somebody logs out, whoever has a copy of the cookie; else some hours after it was used last.
    """

    def __init__(self) -> None:
        self._used: OrderedDict[str, float] = OrderedDict()

    def begin(self, now: float) -> str:
        """A new login; returns what it is known by. ``now``: seconds of the monotonic clock."""
        login = secrets.token_urlsafe(24)
        self._used[login] = now
        if len(self._used) > SESSIONS:
            self._used.popitem(last=False)
        return login

    def holds(self, login: object, now: float) -> bool:
        """Whether a login has not ended; it is used now."""
        if not isinstance(login, str) or now - self._used.get(login, -math.inf) > SESSION_SECONDS:
            return False
        self._used[login] = now
        self._used.move_to_end(login)
        return True

    def end(self, login: object) -> None:
        """Somebody logs out."""
        if isinstance(login, str):
            self._used.pop(login, None)


class LoginRequired:
    """Sends whoever is not logged in to the login."""

    def __init__(self, app: ASGIApp, logins: Logins) -> None:
        self._app, self._logins = app, logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        connection = HTTPConnection(scope)
        path = connection.url.path
        if "who" in connection.session and not self._logins.holds(connection.session.get("login"), time.monotonic()):
            connection.session.clear()
        if scope["type"] != "http" or path.startswith(OPEN_TO_ALL) or "who" in connection.session:
            await self._app(scope, receive, send)
        elif scope["method"] == "GET" and path != "/live":
            wanted = f"{path}?{connection.url.query}" if connection.url.query else path
            await RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)(scope, receive, send)
        else:
            await PlainTextResponse("log in first", 401)(scope, receive, send)


def who(request: Request, user: str | None) -> str | None:
    """Who acts: whoever logged in, or the user this process belongs to where nobody has to."""
    logged_in: str | None = request.session.get("who")
    return logged_in or user


def csrf_token(request: Request) -> str:
    """The token that every form of this session carries."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(24))
    return token


async def form(request: Request) -> dict[str, str]:
    """The fields of a form of this session. Raises :class:`ForbiddenError` where it is none, :class:`FormError`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            raise FormError("the form is too large")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS, errors="strict"))
    except ValueError:
        raise FormError("the form cannot be read") from None
    if not same(fields.get("csrf", ""), request.session.get("csrf", secrets.token_urlsafe())):
        raise ForbiddenError
    return fields


def flash(request: Request, words: str, *, good: bool) -> None:
    """What the next page is to say."""
    request.session["flash"] = {"words": words[:FLASH_CHARACTERS], "good": good}


def take_flash(request: Request) -> dict[str, object] | None:
    """What is to be said, once."""
    if "flash" not in request.session:
        return None
    said: dict[str, object] = request.session.pop("flash")
    return said


def log_in(request: Request, name: str) -> None:
    """A new session, of somebody."""
    log_out(request)
    request.session["who"] = name
    request.session["login"] = _logins(request).begin(time.monotonic())
    csrf_token(request)


def log_out(request: Request) -> None:
    """The end of a session: its cookie is worth nothing any more."""
    _logins(request).end(request.session.get("login"))
    request.session.clear()


def is_at(request: Request, user: str | None) -> bool:
    """Whether somebody is still at the browser, or nobody has to log in."""
    return user is not None or _logins(request).holds(request.session.get("login"), time.monotonic())


def _logins(request: Request) -> Logins:
    found: Logins = request.app.state.logins
    return found


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal; takes the same time whatever they are."""
    return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), hashlib.sha256(wanted.encode()).digest())


def local(path: str) -> str:
    """A path of this console; anything else that was asked for is the first page."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    good = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if good and not parts.scheme and not parts.netloc else "/"


class Guesses:
    """Counts the wrong passwords of each address. Times in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Seconds until this address may try again; nought where it may now."""
        wrong = self._wrong.get(_of_one(address), deque())
        return max(0.0, wrong[0] + TRIES_SECONDS - now) if len(wrong) >= TRIES else 0.0

    def wrong(self, address: str, now: float) -> None:
        """A wrong password came."""
        one = _of_one(address)
        self._wrong.setdefault(one, deque(maxlen=TRIES)).append(now)
        self._wrong.move_to_end(one)
        while len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)


def _of_one(address: str) -> str:
    """What one guesser has: a whole network of IPv6, one address else."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if ip.version == 6 else address
