"""A Stripe-like gateway over HTTP, with time limits on everything."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from services.payment.gateways import wire
from services.payment.gateways.ledger import read_ledger
from services.payment.gateways.port import Answer, Authorization, LedgerEntry, LookUp, Refused, Sought, Unavailable, Unknown
from shared.contract.text import redacted

MAX_KEY: Final = 255
"""Characters of an idempotency key."""
CONNECT_SECONDS: Final = 5.0
KEEPALIVE_SECONDS: Final = 15.0
"""Shorter than any gateway's, so that we seldom send into a connection that is just being closed."""


class HttpGateway:
    """The gateway at ``url``. One pool of at most ``connections`` kept-alive connections; no call is retried here.

    ``timeout_seconds`` bounds a whole call. Raises :class:`ValueError` for an address that is not http or https.
    """

    def __init__(self, url: str, api_key: str, timeout_seconds: float = 10.0, *, connections: int = 100) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the gateway's address must begin with http:// or https://, not {url!r}")
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._timeout_seconds = timeout_seconds
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Hold money; nothing is captured."""
        body = {
            "reference": request.reference,
            "amount": request.amount,
            "currency": request.currency,
            "payment_method": request.token,
            "description": request.description,
            "capture_method": "manual",
            "confirm": True,
        }
        reply = await self._post("/v1/payment_intents", key, body)
        return wire.authorized(request, reply) if isinstance(reply, wire.Reply) else reply

    async def capture(self, key: str, authorization_id: str, amount: int) -> Answer:
        """Take ``amount`` minor units of an authorization."""
        reply = await self._post(f"{_path(authorization_id)}/capture", key, {"amount_to_capture": amount})
        return wire.captured(authorization_id, amount, reply) if isinstance(reply, wire.Reply) else reply

    async def void(self, key: str, authorization_id: str) -> Answer:
        """Release an authorization that was not captured."""
        reply = await self._post(f"{_path(authorization_id)}/cancel", key, {})
        return wire.voided(authorization_id, reply) if isinstance(reply, wire.Reply) else reply

    async def refund(self, key: str, authorization_id: str, amount: int) -> Answer:
        """Give back ``amount`` minor units of what was captured."""
        reply = await self._post("/v1/refunds", key, {"payment_intent": authorization_id, "amount": amount})
        return wire.refunded(authorization_id, amount, reply) if isinstance(reply, wire.Reply) else reply

    async def look_up(self, sought: Sought) -> LookUp:
        """Where our payment stands."""
        reply = await self._request("GET", f"/v1/payment_intents?reference={quote(sought.reference, safe='')}", {}, None)
        if isinstance(reply, wire.Reply):
            return wire.look_up(sought, reply)
        return Unavailable(reply.reason, code=reply.code)

    def ledger(self) -> AsyncIterator[LedgerEntry]:
        """The sandbox's own books; gateways that are merely like it have none at this address."""
        return read_ledger(self._url, self._api_key)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _post(self, path: str, key: str, body: dict[str, Any]) -> wire.Reply | Unavailable | Unknown | Refused:
        if not 1 <= len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
            return Refused("idempotency_key_invalid", f"{key!r} is not 1 to {MAX_KEY} printable ASCII characters")
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await self._request("POST", path, headers, orjson.dumps(body))

    async def _request(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> wire.Reply | Unavailable | Unknown:
        """One request. What was surely not sent is :class:`Unavailable`; what may have been is :class:`Unknown`."""
        try:
            async with self._connected().request(
                method, self._url + path, headers=headers, data=body, allow_redirects=False
            ) as response:
                return wire.Reply(response.status, response.headers, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unavailable(redacted(f"no connection to the gateway: {error}", wire.MAX_MESSAGE), code="no_connection")
        except TimeoutError:
            return Unknown(f"the gateway did not answer within {self._timeout_seconds:g} s")
        except aiohttp.ClientError as error:
            said = f"the connection to the gateway was lost: {error or type(error).__name__}"
            return Unknown(redacted(said, wire.MAX_MESSAGE), code="connection_lost")

    def _connected(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("this gateway was closed: make a new one")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEPALIVE_SECONDS, ttl_dns_cache=60),
                headers={"Authorization": f"Bearer {self._api_key}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=self._timeout_seconds, connect=min(CONNECT_SECONDS, self._timeout_seconds / 2)
                ),
            )
        return self._session


def _path(authorization_id: str) -> str:
    return f"/v1/payment_intents/{quote(authorization_id, safe='')}"
