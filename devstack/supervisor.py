"""Runs child processes: restarts them with backoff, and joins their logs."""

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
from shared.timeouts import backoff, wait_for_event

MAX_BACKOFF: Final = 30.0
"""The longest wait before a restart, in seconds; the first wait is 1 s."""
STEADY_SECONDS: Final = 60.0
"""A child that ran this long restarts with the first backoff."""
STOP_SECONDS: Final = 8.0
MAX_LINE: Final = 2**20
REFUSED: Final = 2
"""The exit code of a child with a configuration error, which is not restarted."""


@dataclass(frozen=True)
class Program:
    """What to run: the name in the logs, the arguments after ``python -m``, and its settings."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


class Supervisor:
    """Runs programs until stopped.

    ``log`` receives a program's name and a line of its log, ``started`` the name and the process of each started program.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        log: Callable[[str, str], None],
        started: Callable[[str, Child], None] = lambda name, child: None,
    ) -> None:
        self._programs, self._log, self._started = programs, log, started
        self._stopping = asyncio.Event()
        self.restarts: dict[str, int] = {program.name: 0 for program in programs}
        self.pids: dict[str, int] = {}
        """The process id of each running program."""
        self.refused: dict[str, str] = {}
        """The last log line of each program with a configuration error."""
        self._last_line: dict[str, str] = {}

    def stop(self) -> None:
        """Stop all programs; :meth:`run` returns when they have ended."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until :meth:`stop`."""
        await asyncio.gather(*(self._supervise(program) for program in self._programs))

    async def _supervise(self, program: Program) -> None:
        attempt = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once(program)
            if self._stopping.is_set():
                return
            if code == REFUSED:
                self.refused[program.name] = self._last_line.get(program.name, "no output")
                self._log(program.name, "configuration error, not restarting")
                return
            attempt = 0 if time.monotonic() - started > STEADY_SECONDS else attempt
            wait = backoff(attempt, MAX_BACKOFF, first=1.0)
            attempt += 1
            self.restarts[program.name] += 1
            self._log(program.name, f"exited with code {code}; restarting in {wait:.1f} s")
            await wait_for_event(self._stopping, wait)

    async def _run_once(self, program: Program) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *program.arguments,
            env={**inherited(), **program.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=MAX_LINE,
            start_new_session=True,
        )
        self.pids[program.name] = process.pid
        with contextlib.suppress(psutil.NoSuchProcess):  # it has already ended
            self._started(program.name, Child.of(process.pid))
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
            except ValueError:  # if nobody reads on, the program blocks
                line = b"(a line of more than 1 MB is left out)"
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last_line[name] = text
            self._log(name, text)


def inherited() -> dict[str, str]:
    """Our environment without our settings and ``.env``: a child gets only the settings passed to it."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**foreign, "PYTHON_DOTENV_DISABLED": "1"}
