"""The HTTP interface of the sandbox: paths, headers and bodies. What they mean is in :mod:`devstack.sandbox.service`."""

import hmac
import logging
import time
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import ValidationError

from devstack.sandbox import answers
from devstack.sandbox.answers import Answer
from devstack.sandbox.calls import MAX_KEY, Authorize, Call, Capture, Refund, Void
from devstack.sandbox.operations import unknown_payment
from devstack.sandbox.service import ClosedError, PaymentService
from devstack.sandbox.tokens import Operation
from devstack.sandbox.trouble import Trouble

MAX_BODY: Final = 16_384
"""Bytes of a request's body."""
MAX_PAGE: Final = 1000
_BODIES: Final[dict[Operation, type[Authorize | Capture | Void | Refund]]] = {
    "authorize": Authorize,
    "capture": Capture,
    "void": Void,
    "refund": Refund,
}
_OPEN: Final = ("/livez", "/readyz")
_log: Final = logging.getLogger(__name__)


class BadRequestError(Exception):
    """The request cannot be read; ``answer`` says why."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.answer = answers.error(status, "invalid_request_error", code, message)


def make_app(service: PaymentService, api_key: str) -> web.Application:
    """The application: Stripe-like paths under ``/v1``, the audit's under ``/admin``, ``/livez`` and ``/readyz``."""
    handlers = Handlers(service)
    middlewares = [_errors_as_json, handlers.turn_away, _only_with_key(api_key)]
    app = web.Application(client_max_size=MAX_BODY, middlewares=middlewares)
    app.add_routes(
        [
            web.post("/v1/payment_intents", handlers.authorize),
            web.get("/v1/payment_intents", handlers.search),
            web.get("/v1/payment_intents/{id}", handlers.show),
            web.post("/v1/payment_intents/{id}/capture", handlers.capture),
            web.post("/v1/payment_intents/{id}/cancel", handlers.void),
            web.post("/v1/refunds", handlers.refund),
            web.get("/admin/ledger", handlers.ledger),
            web.post("/admin/trouble", handlers.trouble),
            web.get("/livez", handlers.live),
            web.get("/readyz", handlers.ready),
        ]
    )
    return app


class Handlers:
    """The handlers, one per path."""

    def __init__(self, service: PaymentService) -> None:
        self._service = service
        self._trouble, self._until = Trouble(status=503, seconds=0), 0.0

    async def trouble(self, request: web.Request) -> web.Response:
        """Turn every call away for a while, as the body says; ``"seconds": 0`` ends it."""
        try:
            self._trouble = Trouble.model_validate_json(await request.read())
        except ValidationError as error:
            raise BadRequestError("parameter_invalid", _faults(error)) from None
        self._until = time.time() + self._trouble.seconds
        return _json({"status": "ok"})

    @property
    def turn_away(self) -> Middleware:
        """Answers every call while there is trouble."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            now = time.time()
            if now < self._until and request.path.startswith("/v1/"):
                return _response(self._trouble.answer(now))
            return await handler(request)

        return check

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Hold money."""
        return await self._take(request, "authorize")

    async def capture(self, request: web.Request) -> web.StreamResponse:
        """Take what is held."""
        return await self._take(request, "capture")

    async def void(self, request: web.Request) -> web.StreamResponse:
        """Release what is held."""
        return await self._take(request, "void")

    async def refund(self, request: web.Request) -> web.StreamResponse:
        """Give back what was taken."""
        return await self._take(request, "refund")

    async def show(self, request: web.Request) -> web.Response:
        """One payment by its id."""
        intent = self._service.find(request.match_info["id"])
        if intent is None:
            return _response(unknown_payment(request.match_info["id"]))
        return _response(answers.succeeded(intent, time.time()))

    async def search(self, request: web.Request) -> web.Response:
        """The payments under ``?reference=``, the newest first."""
        reference = request.query.get("reference")
        if not reference:
            raise BadRequestError("parameter_missing", "Name the payments by ?reference=.")
        now = time.time()
        found = [answers.payment(intent, now) for intent in self._service.with_reference(reference)]
        return _json({"object": "list", "data": found})

    async def ledger(self, request: web.Request) -> web.Response:
        """A page of the ledger: payments after number ``?since=``; ``next`` is the ``since`` of the next page."""
        since, most = _number(request, "since", 0, 2**62), _number(request, "limit", MAX_PAGE, MAX_PAGE)
        now = time.time()
        rows = [answers.ledger_row(seq, charges, intent, now) for seq, charges, intent in self._service.page(since, most)]
        return _json({"object": "list", "data": rows, "next": rows[-1]["seq"] if len(rows) == most else None})

    async def live(self, request: web.Request) -> web.Response:
        """That it answers."""
        return _json({"service": "gateway", "live": True})

    async def ready(self, request: web.Request) -> web.Response:
        """Whether the ledger can be read."""
        self._service.page(0, 1)
        return _json({"service": "gateway", "ready": True})

    async def _take(self, request: web.Request, operation: Operation) -> web.StreamResponse:
        call = await _read_call(request, operation)
        try:
            answer, replayed = await self._service.take(call)
        except ClosedError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=504)
        response = _response(answer)
        if replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response


async def _read_call(request: web.Request, operation: Operation) -> Call:
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        message = f"Every POST needs an Idempotency-Key of 1 to {MAX_KEY} printable ASCII characters."
        raise BadRequestError("idempotency_key_missing", message)
    try:
        body = _BODIES[operation].model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        raise BadRequestError("parameter_invalid", _faults(error)) from None
    authorization_id = body.payment_intent if isinstance(body, Refund) else request.match_info.get("id", "")
    return Call(operation, key, authorization_id, body)


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults)


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise BadRequestError("parameter_invalid", f"{name} must be a number from 0 to {most}.")
    return int(text)


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def _response(answer: Answer) -> web.Response:
    said = {"Retry-After": answer.retry_after, "Location": answer.location}
    headers = {name: str(value) for name, value in said.items() if value is not None}
    kind = "text/html" if answer.page else "application/json"
    return web.Response(status=answer.status, body=answer.body, content_type=kind, headers=headers)


def _only_with_key(api_key: str) -> Middleware:
    expected = f"Bearer {api_key}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if request.path not in _OPEN and not hmac.compare_digest(given, expected):
            return _response(
                answers.error(401, "authentication_error", "api_key_invalid", "Send Authorization: Bearer API_KEY.")
            )
        return await handler(request)

    return check


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequestError as error:
        return _response(error.answer)
    except web.HTTPException as error:
        return _response(answers.error(error.status, "invalid_request_error", "bad_request", error.reason))
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        message = "The sandbox could not do this; its log says why. Nothing was kept."
        return _response(answers.error(503, "api_error", "ledger_unavailable", message, 1))
