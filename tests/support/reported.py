"""Collects what the watchdog reports and resolves."""

from services.alerts.model import Failure


class Reported:
    """The reported failures and the ids of resolved alerts."""

    def __init__(self) -> None:
        self.open: list[Failure] = []
        self.closed: list[str] = []

    def report(self, failure: Failure) -> None:
        self.open.append(failure)

    def resolve(self, alert_id: str, by: str, why: str) -> None:
        self.closed.append(alert_id)
