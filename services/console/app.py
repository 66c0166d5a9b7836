"""The application: which page is where, and what stands between it and the browser."""

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.alerts.views import NotFoundError
from services.console import assets
from services.console.context import Console, page
from services.console.headers import SecurityHeaders
from services.console.pages import alerts, decisions, lag, letters, live, login, money, orders, overview
from services.console.session import ForbiddenError, FormError, Guesses, LoginRequired, Logins, Sessions
from services.console.watcher import AWAY

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def application(console: Console) -> Starlette:
    """The console as an application. Where nobody has to log in, it answers to the names of this machine alone.

    Else a page of somebody else's could have its own name resolve to this machine, and read what is here.
    """
    hosts = [] if console.user is None else [Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK, www_redirect=False)]
    logins = Logins()
    login_first = [Middleware(LoginRequired, logins=logins)] if console.user is None else []
    app = Starlette(
        routes=[
            Route("/", overview.show),
            Route("/orders", orders.index),
            Route("/orders/{name:path}", orders.show),
            Route("/money", money.show),
            Route("/lag", lag.show),
            Route("/alerts", alerts.index),
            Route("/alerts/{alert_id:path}", alerts.show, name="alert"),
            Route("/letters", letters.index),
            Route("/letters/{letter_id}", letters.show),
            Route("/decide/alert/{subject:path}", decisions.alert, methods=["POST"]),
            Route("/decide/letter/{subject}", decisions.letter, methods=["POST"]),
            Route("/decide/payment/{subject:path}", decisions.payment, methods=["POST"]),
            Route("/live", live.stream),
            Route("/login", login.ask),
            Route("/login", login.answer, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/static/{name}", assets.serve),
        ],
        middleware=[Middleware(SecurityHeaders), *hosts, Middleware(Sessions), *login_first],
        exception_handlers={
            HTTPException: _refused,
            NotFoundError: _not_found,
            ForbiddenError: _forbidden,
            FormError: _unreadable,
            **dict.fromkeys(AWAY, _away),
        },
    )
    app.state.console = console
    app.state.guesses = Guesses()
    app.state.logins = logins
    return app


async def _refused(request: Request, error: Any) -> Response:
    words = {404: "There is nothing here", 405: "This cannot be done so"}.get(error.status_code, str(error.detail))
    return page(request, "trouble.html", error.status_code, words=words, more="")


async def _not_found(request: Request, error: Any) -> Response:
    return page(request, "trouble.html", 404, words="There is nothing here", more=str(error))


async def _forbidden(request: Request, error: Any) -> Response:
    more = "The form is not of this session, or the console was started anew since. Go back, load the page again, and repeat."
    return page(request, "trouble.html", 403, words="Nothing was done", more=more)


async def _unreadable(request: Request, error: Any) -> Response:
    return page(request, "trouble.html", 400, words="Nothing was done", more=str(error))


async def _away(request: Request, error: Any) -> Response:
    more = f"What this page shows cannot be reached ({type(error).__name__}). It is looked for again when you load the page."
    return page(request, "trouble.html", 503, words="A database or Kafka is away", more=more)
