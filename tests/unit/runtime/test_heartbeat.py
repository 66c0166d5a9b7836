"""A loop that stalls is told from one that goes on."""

import asyncio
import time
from typing import Any

import pytest

from services.inventory.__main__ import define
from shared.runtime.observability.health import STALL_SECONDS, Heartbeat
from shared.runtime.service import Service
from shared.settings import load
from tests.support.waiting import until


def test_a_loop_that_stalls_is_in_trouble_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    heartbeat = Heartbeat()
    now += STALL_SECONDS
    assert heartbeat.trouble is None
    now += 1
    assert heartbeat.trouble == "the work loop has stalled for 61 s"
    heartbeat.beat()
    assert heartbeat.trouble is None


async def test_a_service_that_waits_for_the_broker_to_take_more_does_not_stand_still() -> None:
    settings = load({"QUADRILLE_INVENTORY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"})
    service = Service(define(settings), settings)
    service.relay._room.clear()
    service._heartbeat._last -= STALL_SECONDS + 1
    assert "stalled" in str(service._heartbeat.trouble)
    member: Any = None  # it is not looked at before there is room
    waiting = asyncio.create_task(service._arrived(member))
    try:
        await until(lambda: service._heartbeat.trouble is None)
        assert not waiting.done()
    finally:
        waiting.cancel()
