"""Targets of notifications: the log and Apprise addresses. Each send is limited in time, each target in threads."""

import asyncio
import hashlib
import logging
import threading
from dataclasses import dataclass
from typing import Final, Protocol

import apprise

from services.alerts.model import runbook
from shared.runtime.observability.logs import about

log = logging.getLogger(__name__)
SEND_SECONDS: Final = 15.0
THREADS: Final = 2
"""Most sends to one target that may hang at the same time. A thread cannot be ended from outside."""


class SendError(Exception):
    """A target did not accept a notification. The message gives the reason, without the address, which may hold a password."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification about one alert, or about many of a kind."""

    alert_id: str
    severity: str
    title: str
    text: str
    kind: str
    checkout_id: str | None = None


class Target(Protocol):
    """Receives notifications. ``name`` is the same at every start, ``label`` is for people; neither holds a secret."""

    name: str
    label: str

    async def send(self, notification: Notification) -> None:
        """Return once it is accepted. Raises :class:`SendError`."""


class LogTarget:
    """The log of this process."""

    name = label = "log"

    async def send(self, notification: Notification) -> None:
        """Write a line."""
        level = logging.CRITICAL if notification.severity == "critical" else logging.ERROR
        readable = notification.kind != "unreadable"  # an unreadable record may claim any checkout
        checkout_id = notification.checkout_id if readable else None
        what = about(alert_id=notification.alert_id, kind=notification.kind, checkout_id=checkout_id)
        log.log(level, "ALERT %s", notification.title, extra=what)


class AppriseTarget:
    """An Apprise address. Raises ``ValueError`` if Apprise does not support it. ``place``: its number in the setting."""

    def __init__(self, address: str, place: int) -> None:
        scheme = address.split(":", 1)[0]
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))  # in the calling thread
        if not self._apprise.add(address):
            raise ValueError(f"Apprise does not support the alert target {scheme}:…")
        self.name = f"{scheme}-{hashlib.blake2b(address.encode(), digest_size=4).hexdigest()}"
        self.label = f"{place} ({scheme})"
        self._slots = threading.BoundedSemaphore(THREADS)

    async def send(self, notification: Notification) -> None:
        """Send within :data:`SEND_SECONDS`. A send that hangs longer blocks neither other targets nor the process's exit."""
        if not self._slots.acquire(blocking=False):
            raise SendError(f"{THREADS} earlier notifications still hang")
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
                accepted = await answer
        except TimeoutError:
            raise SendError(f"no answer within {SEND_SECONDS:g} s") from None
        except Exception as error:
            raise SendError(f"failed with {type(error).__name__}") from error
        if not accepted:
            raise SendError("refused or unreachable")

    def _notify(self, notification: Notification) -> bool:
        plainly = apprise.NotifyFormat.TEXT  # the text may quote a record, whose markup must not be rendered
        title = f"Quadrille: {notification.title}"
        body = f"{notification.text}\n\nRunbook: {runbook(notification.kind)}"
        return bool(self._apprise.notify(body=body, title=title, body_format=plainly))


def _answer(answer: asyncio.Future[bool], outcome: bool | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def parse_targets(setting: str) -> list[Target]:
    """The log and every address of a comma-separated setting, each once. Raises ``ValueError``."""
    addresses = dict.fromkeys(filter(None, (address.strip() for address in setting.split(","))))
    return [LogTarget(), *(AppriseTarget(address, place) for place, address in enumerate(addresses, 1))]
