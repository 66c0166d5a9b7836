"""``python -m services.alerts``"""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from services.alerts import migrations
from services.alerts.app import application
from services.alerts.keeper import Keeper
from services.alerts.model import Alert
from services.alerts.notifier import Notifier
from services.alerts.reactions import reactions
from services.alerts.reconcile import Reconciler
from services.alerts.reports import Reports
from services.alerts.tables import STORES
from services.alerts.targets import targets
from services.alerts.watchdog.outages import Outages
from services.alerts.watchdog.workers import watchdog
from shared.runtime.main import Worker, main
from shared.runtime.postgres.store import Loaded
from shared.runtime.service import Definition, Service
from shared.settings import Settings, SettingsError
from shared.timeouts import within

STOP_SECONDS: Final = 3.0
AT_ONCE: Final = 8
"""Inputs of one commit: each may be the redrive of a record of 16 MB."""


def define(settings: Settings) -> Definition:
    """Alerts."""
    return Definition(reactions, STORES, at_once=AT_ONCE)


def workers(service: Service) -> list[Worker]:
    """The listener to dead letters, what it may have let slip, the notifications, and the watchdog.

    Raises :class:`SettingsError` where a target of notifications is of no known kind, or no address of a service is one.
    """
    settings = service.settings
    try:
        notifier = Notifier(service.engine, targets(settings.alert_targets))
    except ValueError as error:
        raise SettingsError(str(error)) from None

    def news() -> None:
        notifier.news()
        service.publish_soon()

    def changed(written: Sequence[Loaded[Any]]) -> None:
        if any(isinstance(one.aggregate, Alert) and one.aggregate.notify_at for one in written):
            notifier.news()

    service.on_commit = changed
    keeper = Keeper(service.engine, service.lane_of, news, settings.topic_prefix)
    service.troubles["dead letters"] = "not listening yet"
    reports = Reports(keeper, notifier)
    outages = Outages(settings, reports)
    service.early = [reports.run, outages.run]
    return [lambda: _listen(service, keeper), notifier.run, watchdog(service, keeper, notifier, reports, outages)]


async def _listen(service: Service, keeper: Keeper) -> None:
    """Run the Faust worker, and look for what it let slip, until cancelled."""
    await service.ready()
    app = application(service.settings, keeper)
    try:
        await app.start()
        del service.troubles["dead letters"]
        await Reconciler(service.settings, service.engine, keeper).run()
    finally:
        with contextlib.suppress(TimeoutError):
            await within(STOP_SECONDS, app.stop())


if __name__ == "__main__":
    main(define, migrations, workers)
