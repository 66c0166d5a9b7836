"""What a load costs: CPU seconds and memory of every process, statements and Kafka requests of every service."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import psutil

STATEMENTS: Final = "quadrille_statements_total"
KAFKA_REQUESTS: Final = "quadrille_kafka_requests_total"


class Cost:
    """Watches the processes of a running system. ``ports``: of their health and metrics."""

    def __init__(self, state: Path, ports: dict[str, int]) -> None:
        self._processes = _named(state)
        self._ports = ports
        self.peak_mb: dict[str, float] = {}

    async def watch(self) -> None:
        """Note the peak of each one's memory until cancelled."""
        while True:
            families = {"bench": [psutil.Process()]} | {name: _family(process) for name, process in self._processes.items()}
            for name, family in families.items():
                self.peak_mb[name] = max(_memory(family) / 1e6, self.peak_mb.get(name, 0.0))
            await asyncio.sleep(0.5)

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds of each since it was started."""
        return {"bench": time.process_time()} | {name: _cpu(process) for name, process in self._processes.items()}

    async def requests(self, metric: str) -> dict[str, float]:
        """What each service has asked for so far, as its counter ``metric`` says: of its database, or of the broker."""
        sample = re.compile(rf"^{metric}(?:\{{.*\}})? ([0-9.e+]+)$", re.MULTILINE)
        async with aiohttp.ClientSession() as session:
            found = {}
            for name, port in self._ports.items():
                if name != "gateway":
                    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                        found[name] = sum(float(count) for count in sample.findall(await answer.text()))
        return found


def _named(state: Path) -> dict[str, psutil.Process]:
    named = {}
    for child in psutil.Process().children():
        words = child.cmdline()
        if words[1:2] == ["-m"]:  # one of the programs of a supervisor
            named[words[2].rpartition(".")[2]] = child
    noted = json.loads((state / "stack.json").read_text())["children"]
    return named | {name: psutil.Process(child["pid"]) for name, child in noted.items()}


def _family(process: psutil.Process) -> list[psutil.Process]:
    """A process and what it has started: PostgreSQL has one for each connection."""
    try:
        return [process, *process.children()]
    except psutil.Error:
        return []


def _memory(family: Sequence[psutil.Process]) -> float:
    """What is in memory; what the processes of a family share, as PostgreSQL's do their buffers, counts once."""
    own, shared = 0, 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            used = process.memory_info()
            common = getattr(used, "shared", 0)  # macOS does not say
            own, shared = own + used.rss - common, max(shared, common)
    return float(own + shared)


def _cpu(process: psutil.Process) -> float:
    """With that of its children, also of those that have ended."""
    used = 0.0
    for one in _family(process):
        with contextlib.suppress(psutil.Error):
            used += sum(one.cpu_times()[:4])  # user and system, its own and of children that have ended
    return used
