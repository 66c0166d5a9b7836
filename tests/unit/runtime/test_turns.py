"""A loop that stands still is told from one that turns."""

import asyncio
import time
from typing import Any

import pytest

from services.inventory.__main__ import define
from shared.runtime.observability.health import TURN_SECONDS, Turns
from shared.runtime.service import Service
from shared.settings import load
from tests.support.waiting import until


def test_a_loop_that_stands_still_is_in_trouble_until_it_turns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    turns = Turns()
    now += TURN_SECONDS
    assert turns.trouble is None
    now += 1
    assert turns.trouble == "it stands still for 61 s"
    turns.turn()
    assert turns.trouble is None


async def test_a_service_that_waits_for_the_broker_to_take_more_does_not_stand_still() -> None:
    settings = load({"QUADRILLE_INVENTORY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"})
    service = Service(define(settings), settings)
    service.relay._room.clear()
    service._turns._last -= TURN_SECONDS + 1
    assert "stands still" in str(service._turns.trouble)
    member: Any = None  # it is not looked at before there is room
    waiting = asyncio.create_task(service._arrived(member))
    try:
        await until(lambda: service._turns.trouble is None)
        assert not waiting.done()
    finally:
        waiting.cancel()
