"""``python -m services.alerts``"""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from services.alerts import migrations
from services.alerts.app import application
from services.alerts.model import Alert
from services.alerts.notifier import Notifier
from services.alerts.reactions import reactions
from services.alerts.reconcile import Reconciler
from services.alerts.reports import Reports
from services.alerts.store import DeadLetterStore
from services.alerts.tables import STORES
from services.alerts.targets import parse_targets
from services.alerts.watchdog.outages import OutageMonitor
from services.alerts.watchdog.workers import watchdog
from shared.runtime.database import Loaded
from shared.runtime.definition import Definition
from shared.runtime.main import Worker, main
from shared.runtime.service import Service
from shared.settings import Settings, SettingsError
from shared.timeouts import run_with_timeout

STOP_SECONDS: Final = 3.0
MAX_BATCH_SIZE: Final = 8
"""Most messages of one commit: each may be the redrive of a record of 16 MB."""


def define(settings: Settings) -> Definition:
    """Define the service."""
    return Definition(reactions, STORES, max_batch_size=MAX_BATCH_SIZE)


def workers(service: Service) -> list[Worker]:
    """The reader of dead letters with its reconciler, the notifier, and the watchdog.

    Raises :class:`SettingsError` if an alert target or the address of a watched service is invalid.
    """
    settings = service.settings
    try:
        notifier = Notifier(service.engine, parse_targets(settings.alert_targets))
    except ValueError as error:
        raise SettingsError(str(error)) from None

    def emitted() -> None:
        notifier.wake()
        service.wake_relay()

    def committed(written: Sequence[Loaded[Any]]) -> None:
        if any(isinstance(one.aggregate, Alert) and one.aggregate.notify_at for one in written):
            notifier.wake()

    service.on_commit = committed
    store = DeadLetterStore(service.database, service.partition_of, emitted, settings.topic_prefix)
    service.health_problems["dead letters"] = "not listening yet"
    reports = Reports(store, notifier)
    outages = OutageMonitor(settings, reports)
    service.early = [reports.run, outages.run]
    return [lambda: _listen(service, store), notifier.run, watchdog(service, notifier, reports, outages)]


async def _listen(service: Service, store: DeadLetterStore) -> None:
    """Run the Faust worker, and reconcile what it skipped, until cancelled."""
    await service.ready()
    app = application(service.settings, store)
    try:
        await app.start()
        del service.health_problems["dead letters"]
        await Reconciler(service.settings, service.engine, store).run()
    finally:
        with contextlib.suppress(TimeoutError):
            await run_with_timeout(STOP_SECONDS, app.stop())


if __name__ == "__main__":
    main(define, migrations, workers)
