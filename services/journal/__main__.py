"""``python -m services.journal``"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import Final

from services.journal import late
from services.journal.follower import NAME, Follower
from services.journal.writer import JournalWriter
from shared.progress import limits
from shared.runtime.kafka import TopicsError
from shared.runtime.main import USAGE_ERROR
from shared.runtime.main import run as main_loop
from shared.runtime.observability import health, logs
from shared.runtime.postgres.database import connect
from shared.runtime.postgres.migrations import MigrationsError
from shared.settings import Settings, SettingsError, load

log = logging.getLogger(__name__)
NICE: Final = 10
"""Other processes get the CPU first. At 19 the journal would fall behind for as long as they are busy."""


def main() -> None:
    """Run as a process. Exits with 2 and one sentence if the configuration is wrong."""
    try:
        settings = load()
        logs.configure(NAME, settings.log_level)
        os.nice(NICE)
        main_loop(run(settings))
    except (SettingsError, TopicsError, MigrationsError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USAGE_ERROR)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    settings.require_broker()
    engine = connect(settings.database_url(NAME), pool=3)
    follower = Follower(settings, JournalWriter(engine))
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, follower.stop)
    runner, port = await health.serve(
        settings.health_host, settings.health_port, follower.state, late.route(engine, limits(settings))
    )
    log.info("journal: probes and metrics on http://%s:%d", settings.health_host, port)
    try:
        await follower.wait_for_database()
        workers = asyncio.gather(follower.prune(), late.count_waiting(engine))
        try:
            await follower.run()
        finally:
            workers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await workers
    finally:
        await runner.cleanup()
        await engine.dispose()


if __name__ == "__main__":
    main()
