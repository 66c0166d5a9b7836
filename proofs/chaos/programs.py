"""The services and the gateway as processes that are restarted when they end, and may be more than one of each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import psutil

from devstack.supervisor import Program, Supervisor

WAIT_SECONDS: Final = 30.0


class ManagedProcess:
    """One process under supervision. ``say`` gets its name and the lines of its log."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], say: Callable[[str, str], None]
    ) -> None:
        self.name, self._arguments, self._environment, self._say = name, list(arguments), environment, say
        self._supervisor: Supervisor | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: list[asyncio.Task[None]] = []

    def start(self, *more: str, before: Sequence[str] = ()) -> None:
        """Start it, with more arguments, or with some ``before`` its own."""
        if self._supervisor and self._task and not self._task.done():  # the other fault of a pair has started it meanwhile
            self._supervisor.stop()
            self._ending.append(self._task)
        program = Program(self.name, [*before, *self._arguments, *more], self._environment)
        self._supervisor = Supervisor([program], self._say)
        self._task = asyncio.create_task(self._supervisor.run())

    async def stop(self) -> None:
        """Stop it as an operator would."""
        if self._supervisor and self._task:
            self._supervisor.stop()
            ending = asyncio.gather(self._task, *self._ending)
            self._ending.clear()
            await asyncio.shield(ending)  # whoever waits for it may be cancelled; it is stopped none the less

    async def process(self) -> psutil.Process:
        """Its process, now or as soon as it is started again."""
        assert self._supervisor
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                if pid := self._supervisor.pids.get(self.name):
                    return psutil.Process(pid)
                await asyncio.sleep(0.05)

    @property
    def given_up(self) -> bool:
        """Whether it ended and nobody will start it again."""
        return self._task is None or self._task.done()

    @property
    def restarts(self) -> int:
        """How often it was started again since it was started last."""
        return sum(self._supervisor.restarts.values()) if self._supervisor else 0
