"""``python -m services.alerts``"""

import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
from typing import Final

import uvloop
from aiokafka.errors import KafkaError

from services.alerts import migrations
from services.alerts.app import application
from services.alerts.keeper import Keeper
from services.alerts.notifier import Notifier
from services.alerts.reconcile import Reconciler
from services.alerts.settlements import listen
from shared.runtime import kafka
from shared.runtime.database import connect
from shared.runtime.kafka import TopicsError
from shared.runtime.main import USAGE_ERROR, check_database
from shared.runtime.migrations import MigrationsError
from shared.settings import Settings, SettingsError, load
from shared.telemetry import health, logs

log = logging.getLogger(__name__)
STOP_SECONDS: Final = 3.0


def main() -> None:
    """Run as a process. Exits with 2 and one sentence where it cannot start as things are set up."""
    try:
        settings = load()
        logs.configure("alerts", settings.log_level)
        uvloop.run(run(settings))
    except (SettingsError, TopicsError, MigrationsError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USAGE_ERROR)


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    settings.kafka_client()
    url = settings.database_url("alerts")
    await check_database(url, "alerts", migrations)
    await _check_topics(settings)
    engine = connect(url)
    try:
        notifier = Notifier(engine, [target.strip() for target in settings.alert_targets.split(",") if target.strip()])
    except ValueError as error:
        raise SettingsError(str(error)) from None
    keeper = Keeper(engine, notifier.news)
    with tempfile.TemporaryDirectory(prefix="quadrille-alerts-") as folder:
        app = application(settings, keeper, folder)
        state: dict[str, object] = {"service": "alerts", "healthy": False, "trouble": "starting"}
        runner, port = await health.serve(settings.health_host, settings.health_port, lambda: state)
        log.info("alerts: health and metrics on http://%s:%d", settings.health_host, port)
        await app.start()
        state.update(healthy=True, trouble=None)
        workers = (notifier.run(), listen(settings, keeper), Reconciler(settings, engine, keeper).run())
        tasks = [asyncio.create_task(worker) for worker in workers]
        await asyncio.wait([asyncio.create_task(stopped.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), STOP_SECONDS)
        await runner.cleanup()
        await engine.dispose()
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


async def _check_topics(settings: Settings) -> None:
    while True:
        try:
            return await kafka.check_topics(settings)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("alerts wait for the broker: %r", error)
            await asyncio.sleep(1)


if __name__ == "__main__":
    main()
