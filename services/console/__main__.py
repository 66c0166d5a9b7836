"""``python -m services.console``"""

import asyncio
import contextlib
import getpass
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Final

import asyncpg
import uvicorn

from services.console import choreography
from services.console.app import application
from services.console.context import Console
from services.console.watcher import Watcher
from services.journal.queries import CONNECT_SECONDS, STATEMENT_SECONDS
from shared.progress import limits
from shared.runtime.main import USAGE_ERROR
from shared.runtime.main import run as main_loop
from shared.runtime.observability import health, logs
from shared.runtime.postgres.database import connect
from shared.settings import PREFIX, Settings, SettingsError, load

log = logging.getLogger(__name__)
NAME: Final = "console"
CONNECTIONS: Final = 6
STOP_SECONDS: Final = 3


class Server(uvicorn.Server):
    """A server that stops on request and leaves signals to this module."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def main() -> None:
    """Run as a process. Exits with 2 and one sentence if the configuration is wrong."""
    try:
        settings = load()
        logs.configure(NAME, settings.log_level)
        main_loop(run(settings, bind(settings)))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USAGE_ERROR)


def check(settings: Settings) -> None:
    """Check the settings. Raises :class:`SettingsError` if the console would be open to all, or a proxy is no address."""
    host = settings.console_host
    if not is_loopback(host) and settings.console_password is None:
        raise SettingsError(f"a console at {host} needs a password: set {PREFIX}CONSOLE_PASSWORD")
    for proxy in trusted_proxies(settings):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            name = f"{PREFIX}CONSOLE_TRUSTED_PROXIES"
            raise SettingsError(f"{name} must list addresses or networks such as 10.0.0.0/8, not {proxy!r}") from None


def trusted_proxies(settings: Settings) -> list[str]:
    """The proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are trusted; none by default."""
    return [proxy for part in settings.console_trusted_proxies.split(",") if (proxy := part.strip())]


def bind(settings: Settings) -> socket.socket:
    """Open the socket to listen on. Raises :class:`SettingsError` as :func:`check`, or if the address is not available."""
    check(settings)
    host, port = settings.console_host, settings.console_port
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(f"the console cannot listen on {host}:{port}: {error.strerror or error}") from None


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def run(settings: Settings, listening: socket.socket) -> None:
    """Run until SIGTERM or SIGINT."""
    settings.require_broker()
    journal = await asyncpg.create_pool(
        settings.database_url("journal"),
        min_size=0,
        max_size=CONNECTIONS,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
    )
    alerts = connect(settings.database_url("alerts"))
    watcher = Watcher(settings, journal, alerts)
    user = None if settings.console_password else _user()
    console = Console(settings, limits(settings), choreography.load(), journal, alerts, watcher, user)
    server = _server(console)
    stopping = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopping.set)
    runner, port = await health.serve(settings.health_host, settings.health_port, lambda: state(watcher))
    log.info("console: probes and metrics on http://%s:%d", settings.health_host, port)
    log.info("console: http://%s:%d", settings.console_host, listening.getsockname()[1])
    watching = asyncio.create_task(watcher.run())
    serving = asyncio.create_task(server.serve([listening]))
    waiting = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait({watching, serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        await watcher.stop()
        server.should_exit = True
        for task in (watching, waiting):
            task.cancel()
        await asyncio.gather(watching, waiting, return_exceptions=True)
        await serving
        await runner.cleanup()
        await alerts.dispose()
        journal.terminate()


def _server(console: Console) -> Server:
    config = uvicorn.Config(
        application(console),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        proxy_headers=True,
        forwarded_allow_ips=trusted_proxies(console.settings),
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return Server(config)


def state(watcher: Watcher) -> dict[str, object]:
    """The answer of ``/readyz``: always ready, because pages also show what cannot be reached."""
    return {"service": NAME, "ready": True, "trouble": "; ".join(watcher.last.problems) or None}


def _user() -> str:
    """The user that this process runs as, if known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "console"


if __name__ == "__main__":
    main()
