"""The audit of the money on a schedule, beside a running shop.

The auditor is no service. A service reads no database but its own, and payment must not be the judge of its own books. So
the auditor is a program of the operators: it reads the databases and the gateway's ledger with roles that may read them,
writes nowhere, and tells what it found by its metrics, which alerts' watchdog reads as it reads those of the services.
"""

import asyncio
import logging
import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from cli.audit import metrics
from cli.audit.invariants import Violation
from cli.audit.money import audit_money
from services.payment.gateways.ledger import LedgerError
from shared.settings import Settings

log = logging.getLogger(__name__)
AGAIN_SECONDS: Final = 60.0
"""After an audit that could not be done; sooner where audits come more often."""
LASTS_SECONDS: Final = 5.0
"""What is wrong for so long is not on its way from one book to another."""
NAMED: Final = 20
"""Violations of one audit that are named in the log; `quadrille audit` names all."""


class Auditor:
    """Audits the money every ``audit_seconds``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trouble: str | None = None

    def state(self) -> dict[str, object]:
        """How it is, for ``/readyz``: ready unless the last audit could not be done."""
        return {"service": "audit", "ready": self._trouble is None, "trouble": self._trouble}

    async def run(self) -> None:
        """Audit until cancelled."""
        every = float(self._settings.audit_seconds)
        while True:
            done = await self.audit()
            await asyncio.sleep(every if done else min(every, AGAIN_SECONDS))

    async def audit(self) -> bool:
        """Audit once; returns whether that could be done."""
        began = time.monotonic()
        try:
            found = await audit_money(self._settings, patience=LASTS_SECONDS)
        except (SQLAlchemyError, LedgerError, OSError, TimeoutError) as error:
            self._trouble = f"the money could not be audited: {type(error).__name__}"
            log.warning("%s: %s", self._trouble, error if isinstance(error, LedgerError) else "")
            metrics.audits.labels("failed").inc()
            return False
        self._trouble = None
        self.tell(found, time.monotonic() - began)
        return True

    def tell(self, found: list[Violation], seconds: float) -> None:
        """Export what an audit found, and name some of it in the log."""
        metrics.audits.labels("violated" if found else "clean").inc()
        metrics.violations.set(len(found))
        metrics.seconds.set(seconds)
        metrics.finished.set_to_current_time()
        for violation in found[:NAMED]:
            log.error("the audit of the money found: %s", violation)
        if len(found) > NAMED:
            log.error("the audit of the money found %d more", len(found) - NAMED)
