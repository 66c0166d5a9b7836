"""Sends to a target are limited in time and threads."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from services.alerts import targets
from services.alerts.targets import THREADS, AppriseTarget, LogTarget, Notification, SendError

ALERT = Notification("a", "critical", "title", "text", "service_down")
AT_ONCE = 0.01
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
"""Apprise loads all its plugins, and what those import."""


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_each_address_is_a_target_whose_name_has_no_secret() -> None:
    log, first, second = targets.parse_targets(
        "json://ada:pass-word@127.0.0.1, xml://127.0.0.1 ,json://ada:pass-word@127.0.0.1,"
    )
    assert isinstance(log, LogTarget)
    assert (first.label, second.label) == ("1 (json)", "2 (xml)")
    assert first.name.startswith("json-")
    assert "pass-word" not in first.name
    assert [one.name for one in targets.parse_targets("json://ada:pass-word@127.0.0.1")] == ["log", first.name]


async def test_a_hanging_target_fails_in_time_and_uses_no_more_threads(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "SEND_SECONDS", AT_ONCE)
    target = AppriseTarget(f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=600", 1)
    for _ in range(THREADS):
        with pytest.raises(SendError, match="no answer within"):
            await target.send(ALERT)
    for _ in range(10):
        with pytest.raises(SendError, match=f"{THREADS} earlier notifications still hang"):
            await target.send(ALERT)
    hung = [thread for thread in threading.enumerate() if thread.name == f"notify-{target.name}"]
    assert len(hung) == THREADS
    assert all(thread.daemon for thread in hung), "the process may end all the same"
    for _ in hung:
        silent.accept()[0].close()
    for thread in hung:
        await asyncio.to_thread(thread.join)
    with pytest.raises(SendError, match="no answer within"):
        await target.send(ALERT)
    silent.accept()[0].close()


async def test_a_missing_target_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"json://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(SendError, match="refused or unreachable"):
        await AppriseTarget(address, 1).send(ALERT)


async def test_a_notification_names_its_runbook(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def notify(_: object, body: str, **more: object) -> bool:
        sent.append(body)
        return True

    monkeypatch.setattr("apprise.Apprise.notify", notify)
    await AppriseTarget("json://127.0.0.1", 1).send(ALERT)
    assert sent == ["text\n\nRunbook: docs/operate.md#service_down"]
