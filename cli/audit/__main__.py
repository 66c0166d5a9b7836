"""``python -m cli.audit``: the auditor, as a process beside the services."""

import asyncio
import signal
import sys
from contextlib import suppress

from cli.audit.auditor import Auditor
from shared.contract.services import DATABASES
from shared.runtime.main import USAGE_ERROR
from shared.runtime.main import run as main_loop
from shared.runtime.observability import health, logs
from shared.settings import Settings, SettingsError, load


def main() -> None:
    """Run as a process. Prints a configuration error as one sentence and exits with code 2."""
    try:
        settings = load()
        settings.payment_gateway()
        for service in DATABASES:
            settings.database_url(service)
        logs.configure("audit", settings.log_level)
        main_loop(run(settings))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USAGE_ERROR)


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    auditor = Auditor(settings)
    working = asyncio.create_task(auditor.run())
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, working.cancel)
    runner, _ = await health.serve(settings.health_host, settings.health_port, auditor.state)
    try:
        with suppress(asyncio.CancelledError):
            await working
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
