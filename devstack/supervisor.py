"""Child processes that are restarted when they end, with backoff, and whose logs are joined into one."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from cli.processes import Child
from shared.settings import PREFIX
from shared.timeouts import backoff, happens

LONGEST_WAIT: Final = 30.0
"""Seconds until a child that ended is started again; the first time it is one."""
STEADY_SECONDS: Final = 60.0
"""A child that lived so long starts again at once, and its backoff from the beginning."""
STOP_SECONDS: Final = 8.0
LONGEST_LINE: Final = 2**20
REFUSED: Final = 2
"""The exit code of a child that cannot start as things are set up: starting it again changes nothing."""


@dataclass(frozen=True)
class Program:
    """What to run: the name in the logs, the arguments after ``python -m``, and its settings."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


class Supervisor:
    """Runs programs until stopped.

    ``say`` gets the name of a program and a line of its log; ``started`` the name and the process of each that is started.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        say: Callable[[str, str], None],
        started: Callable[[str, Child], None] = lambda name, child: None,
    ) -> None:
        self._programs, self._say, self._started = programs, say, started
        self._stopping = asyncio.Event()
        self.restarts: dict[str, int] = {program.name: 0 for program in programs}
        self.pids: dict[str, int] = {}
        """The process of each program that runs now."""
        self.refused: dict[str, str] = {}
        """The last word of each program that cannot start as things are set up."""
        self._last: dict[str, str] = {}

    def stop(self) -> None:
        """End all programs; :meth:`run` returns when they have."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until :meth:`stop`."""
        await asyncio.gather(*(self._keep(program) for program in self._programs))

    async def _keep(self, program: Program) -> None:
        attempt = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once(program)
            if self._stopping.is_set():
                return
            if code == REFUSED:
                self.refused[program.name] = self._last.get(program.name, "it does not say why")
                self._say(program.name, "cannot start as things are set up; see above")
                return
            attempt = 0 if time.monotonic() - started > STEADY_SECONDS else attempt
            wait = backoff(attempt, LONGEST_WAIT, first=1.0)
            attempt += 1
            self.restarts[program.name] += 1
            self._say(program.name, f"ended with {code}; starting again in {wait:.1f} s")
            await happens(self._stopping, wait)

    async def _run_once(self, program: Program) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *program.arguments,
            env={**inherited(), **program.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE,
            start_new_session=True,
        )
        self.pids[program.name] = process.pid
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
            self._started(program.name, Child(process.pid, psutil.Process(process.pid).create_time()))
        reading = asyncio.create_task(self._read(program.name, process.stdout))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            process.send_signal(signal.SIGTERM)
            done, _ = await asyncio.wait({ended}, timeout=STOP_SECONDS)
            if not done:
                process.kill()
        code = await ended
        del self.pids[program.name]
        await reading
        return code

    async def _read(self, name: str, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # whoever stopped reading would have the program wait for ever
                line = b"(a line of more than a megabyte is left out)"
            if not line:
                return
            said = line.decode(errors="replace").rstrip()
            self._last[name] = said
            self._say(name, said)


def inherited() -> dict[str, str]:
    """Our environment without our settings: a child gets those it is given, and does not look at ``.env``."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**foreign, "PYTHON_DOTENV_DISABLED": "1"}
