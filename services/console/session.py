"""Sessions: a signed cookie, a CSRF token in every form, and a limit on wrong passwords."""

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
"""After this many wrong passwords within this time, no password of an address is checked."""
ADDRESSES: Final = 10_000
FLASH_CHARACTERS: Final = 600
OPEN_TO_ALL: Final = ("/login", "/static/")
SESSIONS: Final = 10_000


class ForbiddenError(Exception):
    """A form that is not from a page of this session."""


class FormError(Exception):
    """A form that cannot be parsed."""


class Sessions:
    """Sessions in a signed cookie, ``Secure`` if it was set over HTTPS. They end with the process."""

    def __init__(self, app: ASGIApp) -> None:
        secret = secrets.token_urlsafe(32)
        self._plain = SessionMiddleware(app, secret, COOKIE, SESSION_SECONDS, same_site="lax")
        self._secure = SessionMiddleware(app, secret, COOKIE, SESSION_SECONDS, same_site="lax", https_only=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        await (self._secure if scope.get("scheme") == "https" else self._plain)(scope, receive, send)


class Logins:
    """The logins of this process, kept in memory: a cookie contains only the key of its login.

    A login ends at the logout, for every copy of the cookie, or :data:`SESSION_SECONDS` after its last use.
    """

    def __init__(self) -> None:
        self._used: OrderedDict[str, float] = OrderedDict()

    def begin(self, now: float) -> str:
        """Begin a login and return its key. ``now``: seconds of the monotonic clock."""
        login = secrets.token_urlsafe(24)
        self._used[login] = now
        if len(self._used) > SESSIONS:
            self._used.popitem(last=False)
        return login

    def holds(self, login: object, now: float) -> bool:
        """Whether a login has not ended. This counts as a use."""
        if not isinstance(login, str) or now - self._used.get(login, -math.inf) > SESSION_SECONDS:
            return False
        self._used[login] = now
        self._used.move_to_end(login)
        return True

    def end(self, login: object) -> None:
        """End a login."""
        if isinstance(login, str):
            self._used.pop(login, None)


class LoginRequired:
    """Redirects requests without a login to the login page."""

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
    """Who acts: the name given at the login, or the user of this process if there is no login."""
    logged_in: str | None = request.session.get("who")
    return logged_in or user


def csrf_token(request: Request) -> str:
    """The CSRF token of this session."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(24))
    return token


async def form(request: Request) -> dict[str, str]:
    """Parse a form. Raises :class:`FormError`, and :class:`ForbiddenError` if it is not of this session."""
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


def flash(request: Request, text: str, *, good: bool) -> None:
    """Show a message on the next page."""
    request.session["flash"] = {"text": text[:FLASH_CHARACTERS], "good": good}


def take_flash(request: Request) -> dict[str, object] | None:
    """The message for this page, once."""
    found: dict[str, object] | None = request.session.pop("flash", None)
    return found


def log_in(request: Request, name: str) -> None:
    """Begin a session."""
    log_out(request)
    request.session["who"] = name
    request.session["login"] = _logins(request).begin(time.monotonic())
    csrf_token(request)


def log_out(request: Request) -> None:
    """End a session; copies of its cookie are invalid from now on."""
    _logins(request).end(request.session.get("login"))
    request.session.clear()


def is_logged_in(request: Request, user: str | None) -> bool:
    """Whether the login of this request has not ended, or there is no login."""
    return user is not None or _logins(request).holds(request.session.get("login"), time.monotonic())


def _logins(request: Request) -> Logins:
    found: Logins = request.app.state.logins
    return found


def same(given: str, wanted: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), hashlib.sha256(wanted.encode()).digest())


def local(path: str) -> str:
    """A path of this console; the first page for anything else."""
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
        """Seconds until this address may try again; 0 if it may now."""
        wrong = self._wrong.get(_source_of(address), deque())
        return max(0.0, wrong[0] + TRIES_SECONDS - now) if len(wrong) >= TRIES else 0.0

    def wrong(self, address: str, now: float) -> None:
        """Count a wrong password."""
        one = _source_of(address)
        self._wrong.setdefault(one, deque(maxlen=TRIES)).append(now)
        self._wrong.move_to_end(one)
        while len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)


def _source_of(address: str) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if ip.version == 6 else address
