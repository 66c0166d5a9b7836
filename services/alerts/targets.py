"""Who is told of alerts: the log, and the addresses of Apprise, each by itself and within limits of time and threads."""

import asyncio
import hashlib
import logging
import threading
from dataclasses import dataclass
from typing import Final, Protocol

import apprise

from shared.runtime.observability.logs import about

log = logging.getLogger(__name__)
SEND_SECONDS: Final = 15.0
THREADS: Final = 2
"""Sends to one target that may hang at the same time: a thread cannot be ended from outside. No more are begun."""


class SendError(Exception):
    """A target did not take what it was told; the message says why, without its address, which may hold a password."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What is told of an alert, or of many like it."""

    alert_id: str
    severity: str
    title: str
    text: str
    kind: str
    checkout_id: str | None = None


class Target(Protocol):
    """Somebody who is told. ``name`` is the same at every start, ``label`` is for people; neither holds a secret."""

    name: str
    label: str

    async def send(self, notification: Notification) -> None:
        """Returns once it was taken. Raises :class:`SendError`."""


class LogTarget:
    """Our own log."""

    name = label = "log"

    async def send(self, notification: Notification) -> None:
        """Write a line."""
        level = logging.CRITICAL if notification.severity == "critical" else logging.ERROR
        readable = notification.kind != "unreadable"  # what names the checkout of another may be anything
        checkout_id = notification.checkout_id if readable else None
        what = about(alert_id=notification.alert_id, kind=notification.kind, checkout_id=checkout_id)
        log.log(level, "ALERT %s", notification.title, extra=what)


class AppriseTarget:
    """One address as Apprise knows it. Raises ``ValueError`` where Apprise does not. ``place``: its number in the setting."""

    def __init__(self, address: str, place: int) -> None:
        scheme = address.split(":", 1)[0]
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))  # in the thread that asks
        if not self._apprise.add(address):
            raise ValueError(f"Apprise does not know the kind of the alert target {scheme}:…")
        self.name = f"{scheme}-{hashlib.blake2b(address.encode(), digest_size=4).hexdigest()}"
        self.label = f"{place} ({scheme})"
        self._slots = threading.BoundedSemaphore(THREADS)

    async def send(self, notification: Notification) -> None:
        """Tell it, within :data:`SEND_SECONDS`. What hangs beyond that keeps no other target and no end of the process."""
        if not self._slots.acquire(blocking=False):
            raise SendError(f"{THREADS} notifications before this one still hang")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def notify() -> None:
            try:
                outcome: bool | Exception = self._notify(notification)
            except Exception as error:  # a plugin of Apprise may raise anything
                outcome = error
            finally:
                self._slots.release()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_answer, answer, outcome)

        threading.Thread(target=notify, name=f"notify-{self.name}", daemon=True).start()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                taken = await answer
        except TimeoutError:
            raise SendError(f"no answer within {SEND_SECONDS:g} s") from None
        except Exception as error:
            raise SendError(f"it failed with {type(error).__name__}") from error
        if not taken:
            raise SendError("it refused, or cannot be reached")

    def _notify(self, notification: Notification) -> bool:
        plainly = apprise.NotifyFormat.TEXT  # it may quote a record, whose markup is no word of ours
        title = f"Quadrille: {notification.title}"
        return bool(self._apprise.notify(body=notification.text, title=title, body_format=plainly))


def _answer(answer: asyncio.Future[bool], outcome: bool | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def targets(setting: str) -> list[Target]:
    """The log and every address of a comma-separated setting, each once. Raises ``ValueError``."""
    addresses = dict.fromkeys(filter(None, (address.strip() for address in setting.split(","))))
    return [LogTarget(), *(AppriseTarget(address, place) for place, address in enumerate(addresses, 1))]
