"""Polls the cluster, and prints the lag once or until it is stopped."""

import asyncio
import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.live import Live

from cli.lag import limits, report, show
from cli.shell import UsageError, print_json, stop_signals
from shared.contract.text import plain
from shared.lag.model import Snapshot
from shared.lag.reader import LagReader
from shared.runtime.kafka import patches
from shared.settings import Settings

POLL_SECONDS: Final = 1.0
WINDOW_SECONDS: Final = 6.0
"""How long a group is observed before it is judged: longer than the default interval of commits, 5 s."""
MAX_SNAPSHOTS: Final = 60
FRAME_ROWS: Final = 8
"""Terminal lines of a live table besides its rows."""


@dataclass(frozen=True)
class Query:
    """Which groups and topics (patterns of names), and how to print them."""

    group: str = "*"
    topic: str = "*"
    partitions: bool = False
    as_json: bool = False


async def run_lag(settings: Settings, console: Console, query: Query, fail_above: str | None, window: float | None) -> bool:
    """Observe for ``window`` seconds and print the lag; returns whether no group exceeds the limit.

    Raises :class:`cli.shell.UsageError` if the limit is invalid or no group matches: a check of nothing proves nothing.
    """
    limit = _limit(fail_above)
    seconds = window if window is not None else 0.0 if limit else WINDOW_SECONDS
    found = await _poll(settings, query, seconds)
    if query.as_json:
        print_json(report.as_json(found), console)
    else:
        show.table(found, every_partition=query.partitions).print(console)
        for note in show.notes(found[-1]):
            console.print(note, markup=False, soft_wrap=True)
    above = limit.exceeded(found[-1].groups.values()) if limit else []
    sys.stderr.write("".join(f"{plain(sentence)}\n" for sentence in above))
    return not above


def _limit(fail_above: str | None) -> limits.Limit | None:
    try:
        return limits.parse(fail_above) if fail_above is not None else None
    except ValueError as error:
        raise UsageError(f"--fail-above: {error}") from None


async def _poll(settings: Settings, query: Query, seconds: float) -> list[Snapshot]:
    """The snapshots of ``seconds`` seconds after the first one, so that a window has at least two."""
    window: list[Snapshot] = []
    if seconds and sys.stderr.isatty():
        sys.stderr.write(f"Observing for {seconds:g} s\n")
    async with contextlib.aclosing(_snapshots(settings, query)) as snapshots:
        async for snapshot in snapshots:
            window.append(snapshot)
            if not snapshot.groups and not snapshot.unread:
                raise UsageError(f"no consumer group matching {query.group!r} reads a topic matching {query.topic!r}")
            if window[-1].at - window[0].at >= seconds:
                break
    return window


async def _snapshots(settings: Settings, query: Query) -> AsyncGenerator[Snapshot]:
    patches.install()
    async with LagReader(settings) as reader:
        while True:
            due = time.monotonic() + POLL_SECONDS
            yield await reader.snapshot(query.group, query.topic)
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def watch_lag(settings: Settings, console: Console, query: Query) -> None:
    """Print the lag until SIGINT or SIGTERM: a live table on a terminal, else one table after the other."""
    history: deque[Snapshot] = deque(maxlen=MAX_SNAPSHOTS)
    stopped = asyncio.Event()
    with stop_signals(stopped.set), contextlib.ExitStack() as screen:
        live = None
        if console.is_terminal and not query.as_json:
            live = screen.enter_context(Live(console=console, auto_refresh=False))
        async with contextlib.aclosing(_snapshots(settings, query)) as snapshots:
            async for snapshot in snapshots:
                history.append(snapshot)
                window = list(history)[-int(WINDOW_SECONDS) - 1 :]
                if live:
                    live.update(show.live(window, list(history), console.height - FRAME_ROWS), refresh=True)
                elif query.as_json:
                    console.print(json.dumps(report.as_json(window)), soft_wrap=True)
                else:
                    show.table(window, every_partition=query.partitions).print(console)
                if stopped.is_set():
                    return
