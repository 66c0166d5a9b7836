"""Looks at the cluster as often as it takes, and shows what it found."""

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
from cli.shell import UsageError
from shared.contract.text import plain
from shared.lag.model import Snapshot
from shared.lag.reader import LagReader
from shared.runtime.kafka import patches
from shared.settings import Settings

LOOK_SECONDS: Final = 1.0
"""How often the cluster is looked at."""
WINDOW_SECONDS: Final = 6.0
"""How long a group is looked at before it is judged: longer than the 5 s after which clients commit by default."""
KEPT: Final = 60
FRAME_ROWS: Final = 8
"""Lines of the terminal a live table needs beside its rows."""


@dataclass(frozen=True)
class Asked:
    """What is to be looked at (patterns of names), and how it is to be shown."""

    group: str = "*"
    topic: str = "*"
    partitions: bool = False
    as_json: bool = False


async def run_lag(settings: Settings, console: Console, asked: Asked, fail_above: str | None, window: float | None) -> bool:
    """Look for a while and show the lag; returns whether no group is further behind than allowed.

    Raises :class:`cli.shell.UsageError` where that is no limit, or no group has such a name: a check of nothing proves
    nothing.
    """
    limit = _limit(fail_above)
    seconds = window if window is not None else 0.0 if limit else WINDOW_SECONDS
    found = await _look(settings, asked, seconds)
    if asked.as_json:
        console.print_json(json.dumps(report.as_json(found)))
    else:
        show.table(found, every_partition=asked.partitions).print(console)
        for remark in show.remarks(found[-1]):
            console.print(remark, markup=False, soft_wrap=True)
    above = limit.exceeded(found[-1].groups.values()) if limit else []
    sys.stderr.write("".join(f"{plain(words)}\n" for words in above))
    return not above


def _limit(fail_above: str | None) -> limits.Limit | None:
    try:
        return limits.parse(fail_above) if fail_above is not None else None
    except ValueError as error:
        raise UsageError(f"--fail-above: {error}") from None


async def _look(settings: Settings, asked: Asked, seconds: float) -> list[Snapshot]:
    """The looks of so many seconds, counted from the first: however long that one took, a window has two."""
    looks: list[Snapshot] = []
    if seconds and sys.stderr.isatty():
        sys.stderr.write(f"Looking for {seconds:g} s\n")
    async with contextlib.aclosing(_snapshots(settings, asked)) as snapshots:
        async for snapshot in snapshots:
            looks.append(snapshot)
            if not snapshot.groups and not snapshot.unread:
                raise UsageError(f"no consumer group {asked.group!r} reads a topic {asked.topic!r} on this broker")
            if looks[-1].at - looks[0].at >= seconds:
                break
    return looks


async def _snapshots(settings: Settings, asked: Asked) -> AsyncGenerator[Snapshot]:
    patches.install()
    async with LagReader(settings) as reader:
        while True:
            due = time.monotonic() + LOOK_SECONDS
            yield await reader.snapshot(asked.group, asked.topic)
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def watch_lag(settings: Settings, console: Console, asked: Asked) -> None:
    """Show how it goes until SIGINT or SIGTERM: a live table, or where there is no terminal one after the other."""
    from cli.shell import stop_signals

    history: deque[Snapshot] = deque(maxlen=KEPT)
    stopped = asyncio.Event()
    with stop_signals(stopped.set), contextlib.ExitStack() as screen:
        live = None
        if console.is_terminal and not asked.as_json:
            live = screen.enter_context(Live(console=console, auto_refresh=False))
        async with contextlib.aclosing(_snapshots(settings, asked)) as snapshots:
            async for snapshot in snapshots:
                history.append(snapshot)
                window = list(history)[-int(WINDOW_SECONDS) - 1 :]
                if live:
                    live.update(show.live(window, list(history), console.height - FRAME_ROWS), refresh=True)
                elif asked.as_json:
                    console.print(json.dumps(report.as_json(window)), soft_wrap=True)
                else:
                    show.table(window, every_partition=asked.partitions).print(console)
                if stopped.is_set():
                    return
