"""Reads what the watchdog needs from the metrics of a service."""

from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

OUTBOX: Final = ("quadrille_outbox_depth", "quadrille_outbox_age_seconds", "quadrille_outbox_quarantined")
REFUSES: Final = "quadrille_topic_refuses"
HEALTHY: Final = "quadrille_healthy"
AUDIT: Final = ("quadrille_audit_violations", "quadrille_audit_finished_timestamp_seconds")
GRACE_SECONDS: Final = 600.0
"""How long an audit may take, in addition to the time between two."""
UNKNOWN: Final = "it gives no reason"


@dataclass(frozen=True)
class Outbox:
    """The outbox of a service: waiting records, the age of the oldest in seconds, and the number of quarantined records.

    ``refusing``: topics that accept no record of it.
    """

    depth: float = 0.0
    age: float = 0.0
    quarantined: float = 0.0
    refusing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """The last finished audit. ``finished``: seconds since 1970; 0 if there was none yet."""

    violations: int
    finished: float

    def is_overdue(self, after: float, since: float, now: float) -> bool:
        """Whether two audits are missing. ``after``: of :func:`overdue_after`; ``since``: when we began to watch."""
        return now - max(self.finished, since) > after


def overdue_after(every: float) -> float:
    """Seconds after which the next audit is overdue, where one comes ``every`` so many."""
    return 2 * every + GRACE_SECONDS


@dataclass(frozen=True)
class ServiceReport:
    """What a service reports. ``trouble``: why it is not ready, None if it is. ``audit``: only the auditor has one."""

    outbox: Outbox = Outbox()
    trouble: str | None = None
    audit: Audit | None = None


def read(metrics: str) -> ServiceReport:
    """Read the metrics of a service. One without these metrics has no trouble."""
    lines = "".join(f"{line}\n" for line in metrics.splitlines() if line.startswith((*OUTBOX, REFUSES, HEALTHY, *AUDIT)))
    samples = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    depth, age, quarantined = (max((s.value for s in samples if s.name == name), default=0.0) for name in OUTBOX)
    refusing = sorted(s.labels["topic"] for s in samples if s.name == REFUSES and s.value)
    healthy = all(s.value for s in samples if s.name == HEALTHY)
    audited = {s.name: s.value for s in samples if s.name in AUDIT}
    audit = Audit(int(audited[AUDIT[0]]), audited[AUDIT[1]]) if len(audited) == len(AUDIT) else None
    return ServiceReport(Outbox(depth, age, quarantined, tuple(refusing)), None if healthy else UNKNOWN, audit)
