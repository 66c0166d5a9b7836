"""Asks the journal which checkouts are late, and opens and closes their alerts."""

import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
from pydantic import TypeAdapter
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.failures import AUTHORIZATION, GATEWAY_ALERT, RETRIES
from services.alerts.reports import Reports
from services.alerts.watchdog.checkout_alerts import MANY_STUCK, STUCK, LateCheckout, many_stuck, stuck
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.identity import BY
from services.alerts.watchdog.services import JOURNAL, addresses
from shared.contract.payment import AuthorizationExpiring, RetriesNearlyExhausted
from shared.progress import Pace, limits
from shared.settings import Settings

NOTIFIED_SINGLY: Final = 20
"""Stuck checkouts that each send notifications; further ones open their alert silently."""
_GATEWAY_FAILING: Final = text(
    "SELECT EXISTS (SELECT FROM alerts WHERE alert_id = :alert_id AND (state <> 'resolved' OR resolved_at > :since))"
)
_WARNINGS: Final = {AUTHORIZATION: AuthorizationExpiring.__name__, RETRIES: RetriesNearlyExhausted.__name__}
_WARNED: Final = text(
    "SELECT alert_id, kind, checkout_id FROM alerts WHERE state <> 'resolved' AND kind = ANY(:kinds) AND last_seen_at <= :until"
).bindparams(bindparam("kinds", type_=ARRAY(Text)))
"""The open alerts of warnings that the journal has read."""


@dataclass(frozen=True)
class LateCheckouts:
    """The journal's answer: ``late`` in the order in which they were due, of ``total`` as many as it lists.

    ``warned``: the ids of checkouts whose warnings still hold, by the warning; None if there are too many.
    """

    total: int
    late: list[LateCheckout]
    warned: dict[str, set[str]] | None


ANSWER: Final = TypeAdapter(LateCheckouts)


class CheckoutMonitor:
    """Opens an alert for each late checkout, and closes it when the journal does not list the checkout any more.

    Warnings of payment open their alerts themselves, and are closed here likewise.
    ``trouble``: why the journal did not say which checkouts are late. Meanwhile no alert opens or closes.
    """

    def __init__(self, settings: Settings, engine: AsyncEngine, reports: Reports) -> None:
        self._engine, self._reports, self._gateway_seconds = engine, reports, limits(settings).gateway
        self._address = addresses(settings.watched_services).get(JOURNAL, "")
        self._stuck = Conditions(STUCK, reports, "it moves again")
        self._many = Conditions(MANY_STUCK, reports, "few checkouts are still stuck")
        self.conditions = (self._stuck, self._many)
        self.trouble: str | None = None

    async def look(self, session: aiohttp.ClientSession, until: datetime) -> None:
        """Ask the journal, which has read all events up to ``until``. Raises what the database of alerts raises."""
        try:
            async with session.get(f"{self._address}/late", raise_for_status=True) as answer:
                found = ANSWER.validate_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.trouble = f"it does not say which checkouts are late: {type(error).__name__}: {error}".rstrip(": ")
        else:
            self.trouble = None
            now = datetime.now(UTC)
            self.judge(found, until, now, excused=Pace.GATEWAY if await self._is_gateway_failing(now) else None)
            if found.warned is not None:
                await self._resolve_warnings(found.warned, until)

    async def _resolve_warnings(self, warned: Mapping[str, Container[str]], until: datetime) -> None:
        async with self._engine.connect() as connection:
            opened = (await connection.execute(_WARNED, {"kinds": list(_WARNINGS), "until": until})).all()
        for alert in opened:
            if alert.checkout_id not in warned.get(_WARNINGS[alert.kind], (alert.checkout_id,)):
                self._reports.resolve(alert.alert_id, BY, "the gateway has answered")

    async def _is_gateway_failing(self, now: datetime) -> bool:
        """Whether the gateway is failing, which has its own alert, or recently recovered."""
        since = now - timedelta(seconds=self._gateway_seconds)
        async with self._engine.connect() as connection:
            found = await connection.execute(_GATEWAY_FAILING, {"alert_id": GATEWAY_ALERT, "since": since})
            return bool(found.scalar())

    def judge(self, found: LateCheckouts, until: datetime, now: datetime, *, excused: str | None = None) -> None:
        """Open and close alerts. ``excused``: checkouts that wait in a step of this pace open none."""
        opened = self._stuck.raised
        known = [one for one in found.late if one.checkout_id in opened]
        new = [one for one in found.late if one.checkout_id not in opened and one.due_at <= until and one.pace != excused]
        wrong = {
            one.checkout_id: stuck(one, now, quiet=count > NOTIFIED_SINGLY) for count, one in enumerate([*known, *new], start=1)
        }
        subjects, unlisted = {**dict.fromkeys(opened), **wrong}, found.total - len(found.late)
        self._stuck.update(wrong, subjects, wrong if unlisted else subjects, time.monotonic())
        count = len(wrong) + unlisted
        many = {"all": many_stuck(count, NOTIFIED_SINGLY, now)} if count > NOTIFIED_SINGLY else {}
        self._many.update(many, ("all",), ("all",), time.monotonic())
