"""Runs the sandbox: binds the port, says so in one line, and stops cleanly on SIGTERM or SIGINT."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiohttp import web

from devstack.sandbox.app import make_app
from devstack.sandbox.service import PaymentService
from devstack.sandbox.settings import Settings
from shared.settings import SettingsError

STOP_SECONDS: Final = 2.0
"""How long a stop waits for requests that are being answered."""
KEEPALIVE_SECONDS: Final = 75.0


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises :class:`OSError` where the port is taken."""
    with _only_one(settings.ledger):
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        service = PaymentService(settings)
        pruning = asyncio.create_task(service.prune())
        runner = web.AppRunner(
            make_app(service, settings.api_key.get_secret_value()),
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
        )
        try:
            await runner.setup()
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            _announce(settings, runner.addresses[0][1])
            await stop.wait()
        finally:
            pruning.cancel()
            await asyncio.gather(pruning, return_exceptions=True)
            service.stop_waiting()
            await runner.cleanup()
            await service.close()


def _announce(settings: Settings, port: int) -> None:
    if settings.port_file is not None:
        settings.port_file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = settings.port_file.with_name(settings.port_file.name + ".new")
        unfinished.write_text(f"{port}\n")
        unfinished.replace(settings.port_file)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    sys.stdout.write(f"sandbox listening on http://{host}:{port}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _only_one(ledger: Path) -> Iterator[None]:
    """Hold the ledger's lock: two writers would not see each other's keys in flight."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(ledger.with_name(ledger.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"another sandbox keeps the ledger {ledger}: stop it, or name another file") from None
        yield
    finally:
        os.close(lock)
