"""The application: routes, middleware and error pages."""

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
from services.console.pages import alerts, dead_letters, decisions, lag, live, login, money, orders, overview
from services.console.session import ForbiddenError, FormError, Guesses, LoginRequired, Logins, Sessions
from services.console.watcher import UNREACHABLE

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def application(console: Console) -> Starlette:
    """Build the application. Without a login, it answers requests to this machine's loopback names only.

    This prevents DNS rebinding: a foreign page whose name resolves to this machine could read the console.
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
            Route("/dead-letters", dead_letters.index),
            Route("/dead-letters/{dead_letter_id}", dead_letters.show),
            Route("/decide/alert/{subject:path}", decisions.alert, methods=["POST"]),
            Route("/decide/dead-letter/{subject}", decisions.dead_letter, methods=["POST"]),
            Route("/decide/payment/{subject:path}", decisions.payment, methods=["POST"]),
            Route("/live", live.stream),
            Route("/login", login.ask),
            Route("/login", login.answer, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/static/{name}", assets.serve),
        ],
        middleware=[Middleware(SecurityHeaders), *hosts, Middleware(Sessions), *login_first],
        exception_handlers={
            HTTPException: _http_error,
            NotFoundError: _not_found,
            ForbiddenError: _forbidden,
            FormError: _bad_form,
            **dict.fromkeys(UNREACHABLE, _unreachable),
        },
    )
    app.state.console = console
    app.state.guesses = Guesses()
    app.state.logins = logins
    return app


async def _http_error(request: Request, error: Any) -> Response:
    title = {404: "Page not found", 405: "Method not allowed"}.get(error.status_code, str(error.detail))
    return page(request, "error.html", error.status_code, title=title, text="")


async def _not_found(request: Request, error: Any) -> Response:
    return page(request, "error.html", 404, title="Not found", text=str(error))


async def _forbidden(request: Request, error: Any) -> Response:
    text = "The form belongs to another session, or the console was restarted. Go back, reload the page and try again."
    return page(request, "error.html", 403, title="Nothing was done", text=text)


async def _bad_form(request: Request, error: Any) -> Response:
    return page(request, "error.html", 400, title="Nothing was done", text=str(error))


async def _unreachable(request: Request, error: Any) -> Response:
    text = f"This page cannot be shown now ({type(error).__name__}). Reload it to try again."
    return page(request, "error.html", 503, title="A database or Kafka cannot be reached", text=text)
