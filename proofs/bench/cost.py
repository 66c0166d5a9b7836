"""What a load costs: CPU seconds of every process, statements and Kafka requests of every service."""

import contextlib
import json
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import aiohttp
import psutil

STATEMENTS: Final = "quadrille_statements_total"
KAFKA_REQUESTS: Final = "quadrille_kafka_requests_total"


class Cost:
    """Reads what the processes of a running system have used. ``pid``: of what started them; ``ports``: of their metrics."""

    def __init__(self, pid: int, state: Path, ports: dict[str, int]) -> None:
        self._processes = _named(pid, state)
        self._ports = ports

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds of each program since it was started, of all its members together."""
        used = {name: sum(map(_cpu, processes)) for name, processes in self._processes.items()}
        return {"bench": time.process_time()} | used

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


def _named(pid: int, state: Path) -> dict[str, list[psutil.Process]]:
    named: dict[str, list[psutil.Process]] = defaultdict(list)
    for child in psutil.Process(pid).children():
        words = child.cmdline()
        if words[1:2] == ["-m"]:  # one of the programs of a supervisor
            named[words[2].rpartition(".")[2]].append(child)
    noted = json.loads((state / "stack.json").read_text())["children"]
    return named | {name: [psutil.Process(child["pid"])] for name, child in noted.items()}


def _family(process: psutil.Process) -> list[psutil.Process]:
    """A process and what it has started: PostgreSQL has one for each connection."""
    try:
        return [process, *process.children()]
    except psutil.Error:
        return []


def _cpu(process: psutil.Process) -> float:
    """With that of its children, also of those that have ended."""
    used = 0.0
    for one in _family(process):
        with contextlib.suppress(psutil.Error):
            used += sum(one.cpu_times()[:4])  # user and system, its own and of children that have ended
    return used
