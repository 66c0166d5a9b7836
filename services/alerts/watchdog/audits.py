"""What the auditor says of the money: whether the gateway's ledger agrees with our books, and when it last looked."""

from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

VIOLATIONS: Final = "quadrille_audit_violations"
FINISHED: Final = "quadrille_audit_finished_timestamp_seconds"
GRACE_SECONDS: Final = 600.0
"""For an audit to be done, beside the time between two."""


@dataclass(frozen=True)
class Audit:
    """The last audit that was finished. ``finished``: seconds since 1970; 0 where there was none yet."""

    violations: int
    finished: float

    def is_overdue(self, every: float, since: float, now: float) -> bool:
        """Whether the next should long be there. ``every``: seconds between two; ``since``: when we began to look."""
        return now - max(self.finished, since) > 2 * every + GRACE_SECONDS


def audit(metrics: str) -> Audit | None:
    """The audit in the metrics of a service; nothing where it is not the auditor."""
    lines = "".join(f"{line}\n" for line in metrics.splitlines() if line.startswith((VIOLATIONS, FINISHED)))
    said = {sample.name: sample.value for family in text_string_to_metric_families(lines) for sample in family.samples}
    return Audit(int(said[VIOLATIONS]), said[FINISHED]) if said.keys() >= {VIOLATIONS, FINISHED} else None
