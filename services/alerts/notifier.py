"""Tells people: a durable queue of notifications for each target, and one worker a target.

A target that is dead or slow keeps no other waiting, and what one has taken is not repeated to it because another has not.
Whoever sends a notification claims it for a while, so that of several processes one does; should that die, another sends it.
"""

import asyncio
import logging
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.pace import Choice, Pace, Waiting
from services.alerts.targets import LogTarget, Notification, SendError, Target
from shared.runtime.observability.logs import about
from shared.runtime.observability.repeats import REPEATED
from shared.timeouts import happens

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 1.0
CLAIM_SECONDS: Final = 20
"""How long the others leave to whoever is sending; longer than a send may take."""
TIDY_SECONDS: Final = 60.0
AWAY: Final = (SQLAlchemyError, OSError, TimeoutError)

sent = Counter("quadrille_notifications_total", "Attempts to notify of alerts, by target", ["target", "outcome"])

_HAND_OUT: Final = text(
    "WITH due AS (SELECT alert_id FROM alerts WHERE notify_at <= now() ORDER BY notify_at LIMIT 1000 FOR UPDATE SKIP LOCKED),"
    " known AS (UPDATE alerts AS a SET notify_at = NULL, version = version + 1 FROM due WHERE a.alert_id = due.alert_id"
    " RETURNING a.alert_id)"
    " INSERT INTO notifications (target, alert_id, due_at, attempts)"
    " SELECT target, alert_id, now(), 0 FROM known CROSS JOIN unnest(:targets) AS target"
    " ON CONFLICT (target, alert_id) DO UPDATE SET due_at = excluded.due_at, attempts = 0"
).bindparams(bindparam("targets", type_=ARRAY(Text)))
_TIDY: Final = text(
    "DELETE FROM notifications AS n USING alerts AS a WHERE a.alert_id = n.alert_id AND (a.state = 'resolved'"
    " OR n.target <> ALL (:targets) AND n.due_at < now() - interval '1 day')"
).bindparams(bindparam("targets", type_=ARRAY(Text)))
"""What is over, and what was meant for a target that is not named any more."""
_DUE: Final = (
    " FROM notifications AS n JOIN alerts AS a USING (alert_id)"
    " WHERE n.target = :target AND n.due_at <= now() AND a.state <> 'resolved'"
)
_WAITING: Final = text(
    f"SELECT a.service, a.kind, min(a.severity) AS severity, count(*) AS alerts{_DUE} GROUP BY a.service, a.kind"
)
_CLAIM: Final = text(
    f"WITH chosen AS (SELECT n.alert_id{_DUE} AND a.service = :service AND a.kind = :kind"
    " ORDER BY n.attempts, n.due_at LIMIT CAST(:limit AS bigint) FOR UPDATE OF n SKIP LOCKED),"
    f" claimed AS (UPDATE notifications AS n SET due_at = now() + interval '{CLAIM_SECONDS} s' FROM chosen"
    " WHERE n.target = :target AND n.alert_id = chosen.alert_id RETURNING n.alert_id, n.due_at)"
    " SELECT a.alert_id, a.severity, a.title, a.text, a.kind, a.checkout_id, claimed.due_at,"
    " (SELECT count(*) FROM claimed) AS alerts"
    " FROM claimed JOIN alerts AS a USING (alert_id) ORDER BY a.first_seen_at, a.alert_id LIMIT 1"
)
_CLAIMED: Final = " WHERE target = :target AND due_at = :claimed"
"""Unless the alert was opened anew meanwhile."""
_SENT: Final = text(f"DELETE FROM notifications{_CLAIMED}")
_LATER: Final = text(
    "UPDATE notifications SET attempts = attempts + 1,"
    f" due_at = now() + make_interval(secs => least(60, power(2, least(attempts, 6)))){_CLAIMED}"
)


class Notifier:
    """Sends what is due until cancelled, to every target."""

    def __init__(self, engine: AsyncEngine, targets: Sequence[Target]) -> None:
        self._engine, self.lines = engine, [Line(engine, target) for target in targets]
        self.names = [target.name for target in targets]
        self._news = asyncio.Event()

    def news(self) -> None:
        """There is something new to send."""
        self._news.set()

    @property
    def failing(self) -> dict[str, tuple[Target, str]]:
        """The targets that did not take what they were told last, by name, with why."""
        return {line.target.name: (line.target, line.trouble) for line in self.lines if line.trouble}

    @property
    def tried(self) -> Sequence[str]:
        """The targets of which it is known whether they fail, by name."""
        return [line.target.name for line in self.lines if line.tried]

    async def run(self) -> None:
        """Send; a database that is away and a target that fails are tried again."""
        await asyncio.gather(
            _again_and_again("notifications", self._news, self._hand_out),
            *(_again_and_again(f"notifications of {line.target.name}", line.news, line.send_due) for line in self.lines),
            self._tidy(),
        )

    async def _hand_out(self) -> None:
        """Give every target its own notification of each alert that is new."""
        async with self._engine.begin() as connection:
            made = (await connection.execute(_HAND_OUT, {"targets": self.names})).rowcount
        if made:
            self._news.set()  # there may be more
            for line in self.lines:
                line.news.set()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(_TIDY, {"targets": self.names})
            except AWAY as error:
                log.debug("notifications cannot be tidied up now: %r", error)


class Line:
    """The queue of one target, and who works it off. ``trouble``: why it did not take what it was told last."""

    def __init__(self, engine: AsyncEngine, target: Target) -> None:
        self._engine, self.target = engine, target
        self._pace = Pace()
        self._counted = not isinstance(target, LogTarget)  # the log is nobody who was told
        if self._counted:
            for outcome in ("sent", "failed"):
                sent.labels(target.name, outcome)
        self.news = asyncio.Event()
        self.trouble: str | None = None
        self.tried = False

    async def send_due(self) -> None:
        """Send all that is due, or until something is not taken. Raises where the database is away."""
        while await self._send_next():
            pass

    async def _send_next(self) -> bool:
        """Send one notification, if one is due; returns whether it was taken."""
        async with self._engine.connect() as connection:
            found = (await connection.execute(_WAITING, {"target": self.target.name})).all()
        choice = self._pace.choose([Waiting(*row) for row in found], time.monotonic())
        claimed = await self._claim(choice) if choice else None
        if choice is None or claimed is None:
            return False
        notification = Notification(
            claimed.alert_id, claimed.severity, *_words(claimed, choice), claimed.kind, claimed.checkout_id
        )
        taken = await self.send(notification)
        if taken:
            self._pace.told(choice, time.monotonic())
        await self._settle(claimed.due_at, taken=taken)
        return taken

    async def send(self, notification: Notification) -> bool:
        """Tell the target, whatever the database does; returns whether it took it."""
        try:
            await self.target.send(notification)
        except SendError as error:
            if self.trouble is None:
                log.warning(
                    "the alert target %s fails: %s", self.target.name, error, extra=about(alert_id=notification.alert_id)
                )
            self.trouble = str(error)
        else:
            self.trouble = None
        self.tried = True
        if self._counted:
            sent.labels(self.target.name, "failed" if self.trouble else "sent").inc()
        return self.trouble is None

    async def _claim(self, choice: Choice) -> Any:
        """What to tell of and how many it stands for; nothing where somebody else tells of it."""
        these = {"target": self.target.name, "service": choice.waiting.service, "kind": choice.waiting.kind}
        async with self._engine.begin() as connection:
            return (await connection.execute(_CLAIM, {**these, "limit": None if choice.together else 1})).one_or_none()

    async def _settle(self, claimed: Any, *, taken: bool) -> None:
        """Note what became of it, however long the database is away: else it would be told again."""
        these = {"target": self.target.name, "claimed": claimed}
        while True:
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(_SENT if taken else _LATER, these)
                return
            except AWAY as error:
                log.debug("what became of a notification cannot be noted now: %r", error)
                await asyncio.sleep(TICK_SECONDS)


def _words(claimed: Any, choice: Choice) -> tuple[str, str]:
    """The title and the text of a notification of one alert, or of many like it."""
    if claimed.alerts == 1:
        return claimed.title, claimed.text
    them = shlex.join(["quadrille", "alerts", "list", "--kind", choice.waiting.kind, "--service", choice.waiting.service])
    return f"{claimed.title}, and {claimed.alerts - 1} more like it", f"{claimed.text} All of them: `{them}`."


async def _again_and_again(what: str, news: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Work at every tick and whenever there is news; of an outage of the database one line is logged."""
    away = False
    while True:
        await happens(news, TICK_SECONDS)
        news.clear()
        try:
            await work()
            away = False
        except AWAY as error:
            if not away:
                log.warning("%s wait for the database: %r", what, error, extra=REPEATED)
            away = True
