"""A gateway's own ledger, as the audit reads it (invariant 1)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson

from services.payment.gateways.port import LedgerEntry, LedgerError

PAGE: Final = 1000
PAGE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Some entries, oldest first; ``next`` is the ``since`` of the following page, or None where this is the last."""

    entries: tuple[LedgerEntry, ...]
    next: int | None

    def to_json(self) -> bytes:
        """The page as ``/admin/ledger`` sends it: whoever serves it can be read by :func:`read_ledger`."""
        return orjson.dumps({"object": "list", "data": self.entries, "next": self.next})

    @classmethod
    def from_json(cls, body: bytes) -> "LedgerPage":
        """Read a page. Raises :class:`LedgerError` where it is none."""
        try:
            page = orjson.loads(body)
            return cls(tuple(LedgerEntry(**row) for row in page["data"]), page["next"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise LedgerError(f"this is not a page of a gateway's ledger: {error!r}") from error


async def read_ledger(url: str, api_key: str, since: int = 0) -> AsyncIterator[LedgerEntry]:
    """All entries after number ``since`` of the ledger of the sandbox at ``url``, oldest first.

    Raises :class:`LedgerError` where it cannot be read to its end.
    """
    headers = {"Authorization": f"Bearer {api_key}"}
    position: int | None = since
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=PAGE_SECONDS)) as session:
        while position is not None:
            page = await _read_page(session, f"{url.rstrip('/')}/admin/ledger?since={position}&limit={PAGE}")
            for entry in page.entries:
                yield entry
            position = page.next


async def _read_page(session: aiohttp.ClientSession, url: str) -> LedgerPage:
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = await response.read()
            if response.status != 200:
                raise LedgerError(f"the gateway answered HTTP {response.status} to {url}: check its address and key")
            return LedgerPage.from_json(body)
    except (TimeoutError, aiohttp.ClientError) as error:
        raise LedgerError(f"the gateway's ledger cannot be reached at {url}: {error!r}") from error
