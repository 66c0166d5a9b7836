"""Audits payments on a schedule while the shop is running.

The auditor is not a service: services read only their own database, and payment must not audit itself. It is an operators'
program that reads the databases and the gateway's ledger with read-only roles and exports metrics, which the watchdog of
alerts reads like those of the services.
"""

import asyncio
import logging
import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from cli.audit import audit_money, metrics
from cli.audit.invariants import Violation
from services.payment.gateways.port import LedgerError
from shared.settings import Settings

log = logging.getLogger(__name__)
RETRY_SECONDS: Final = 60.0
"""The wait after a failed audit, if audits are not more frequent."""
PERSISTS_SECONDS: Final = 5.0
"""A violation that persists for so long is not a message in flight."""
MAX_LOGGED: Final = 20
"""Violations of one audit that are logged; `quadrille audit` prints all."""


class Auditor:
    """Audits payments every ``audit_seconds``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trouble: str | None = None

    def state(self) -> dict[str, object]:
        """The state for ``/readyz``: ready unless the last audit failed."""
        return {"service": "audit", "ready": self._trouble is None, "trouble": self._trouble}

    async def run(self) -> None:
        """Audit until cancelled."""
        every = float(self._settings.audit_seconds)
        while True:
            done = await self.audit()
            await asyncio.sleep(every if done else min(every, RETRY_SECONDS))

    async def audit(self) -> bool:
        """Audit once; returns whether the audit was completed."""
        began = time.monotonic()
        try:
            found = await audit_money(self._settings, patience=PERSISTS_SECONDS)
        except (SQLAlchemyError, LedgerError, OSError, TimeoutError) as error:
            self._trouble = f"the audit of payments failed: {type(error).__name__}"
            log.warning("%s: %s", self._trouble, error if isinstance(error, LedgerError) else "")
            metrics.audits.labels("failed").inc()
            return False
        self._trouble = None
        self.report(found, time.monotonic() - began)
        return True

    def report(self, found: list[Violation], seconds: float) -> None:
        """Export the result of an audit, and log some of its violations."""
        metrics.audits.labels("violated" if found else "clean").inc()
        metrics.violations.set(len(found))
        metrics.seconds.set(seconds)
        metrics.finished.set_to_current_time()
        for violation in found[:MAX_LOGGED]:
            log.error("the audit of payments found: %s", violation)
        if len(found) > MAX_LOGGED:
            log.error("the audit of payments found %d more violations", len(found) - MAX_LOGGED)
