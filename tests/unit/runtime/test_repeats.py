"""What is away for ten minutes costs a handful of lines, and nothing is lost of what is no repetition."""

import logging
import time
from collections.abc import Iterator

import pytest

from shared.runtime.observability.repeats import REPEATED, Outage, WithoutRepeats
from shared.runtime.schedule import Schedule


class Clock:
    """The monotonic clock, as far as the test sets it."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The lines that a handler with our filter writes."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    handler.addFilter(WithoutRepeats())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)


def test_a_library_that_repeats_itself_for_ten_minutes_says_so_a_few_times(clock: Clock, said: list[str]) -> None:
    aiokafka = logging.getLogger("aiokafka.cluster")
    for n in range(6000):
        aiokafka.error("Unable to connect to node %s: attempt %d", 1, n)
        aiokafka.warning(f"it failed {n} times")
        clock.now += 0.1
    assert len(said) == 6
    assert said[0] == "Unable to connect to node 1: attempt 0"
    assert said[2] == "Unable to connect to node 1: attempt 100 (and 99 times more since it was said last)"
    clock.now += 3600
    aiokafka.error("Unable to connect to node %s: attempt %d", 1, 0)
    assert len(said) == 7


def test_another_thing_is_said_and_so_is_all_of_ours(clock: Clock, said: list[str]) -> None:
    aiokafka, ours = logging.getLogger("aiokafka.cluster"), logging.getLogger("shared.runtime.service")
    aiokafka.error("one")
    aiokafka.error("another")
    logging.getLogger("aiokafka.conn").error("one")
    for n in range(5):
        ours.warning("message %d is refused", n)
        ours.warning("the lag cannot be seen now: %r", OSError(n), extra=REPEATED)
    assert said[:3] == ["one", "another", "one"]
    assert said[3:5] == ["message 0 is refused", "the lag cannot be seen now: OSError(0)"]
    assert len(said) == 9


def test_what_we_wait_for_ten_minutes_is_told_a_few_times_and_when_it_is_back(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outage = Outage(logging.getLogger("shared.test"), "cart")
    for _ in range(300):
        outage.lasts("the broker cannot be reached", again=2.0)
        clock.now += 2
    outage.ends()
    outage.ends()
    assert [record.getMessage() for record in caplog.records] == [
        "cart: the broker cannot be reached; tried again in 2.0 s",
        "cart: the broker cannot be reached for 10 s now; tried again in 2.0 s",
        "cart: the broker cannot be reached for 70 s now; tried again in 2.0 s",
        "cart: it goes on after 600 s and 300 tries",
    ]
    outage.lasts("the broker cannot be reached", again=2.0)
    assert len(caplog.records) == 5, "the next outage is told at once"


async def test_a_loop_that_goes_on_says_so(caplog: pytest.LogCaptureFixture) -> None:
    schedule = Schedule("cart")
    schedule.stopping.set()
    for attempt in range(100):
        await schedule.back_off(attempt, "the database is away")
    assert schedule.trouble == "the database is away"
    schedule.trouble = None
    assert len(caplog.records) == 2
    assert "it goes on after" in caplog.text
