"""A sandbox as a process of its own, as the tests start, stop, kill and start it again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.ledger import read_ledger
from services.payment.gateways.port import LedgerEntry

KEY = "sk_test"
START_SECONDS = 30


@dataclass
class SandboxProcess:
    """A sandbox on a free port; ``options`` are those of the command line."""

    ledger: Path
    options: dict[str, object] = field(default_factory=dict)
    url: str = ""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait for the line that says it is ready."""
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "devstack.sandbox", "--ledger", str(self.ledger), *options),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"QUADRILLE_SANDBOX_API_KEY": KEY},
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await self.process.stdout.readline()
        assert line.startswith(b"sandbox listening on http://127.0.0.1:"), line
        self.url = line.split()[-1].decode()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; returns the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()

    async def entries(self, reference: str) -> list[LedgerEntry]:
        """What the ledger holds for a reference."""
        return [entry async for entry in read_ledger(self.url, KEY) if entry.reference == reference]

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """A raw request: status, body and headers of the reply."""
        headers = {"Authorization": f"Bearer {KEY}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        async with aiohttp.ClientSession() as session:
            data = body if isinstance(body, bytes) else None
            json = None if data is not None else body
            async with session.post(self.url + path, data=data, json=json, headers=headers) as response:
                return response.status, await response.json(), dict(response.headers)


@asynccontextmanager
async def running(ledger: Path, **options: object) -> AsyncIterator[SandboxProcess]:
    """A sandbox that is stopped at the end."""
    sandbox = SandboxProcess(ledger, options)
    await sandbox.start()
    try:
        yield sandbox
    finally:
        await sandbox.stop()


@asynccontextmanager
async def connected(url: str, timeout_seconds: float = 5.0) -> AsyncIterator[HttpGateway]:
    """A client of the gateway at ``url``."""
    gateway = HttpGateway(url, KEY, timeout_seconds)
    try:
        yield gateway
    finally:
        await gateway.close()
