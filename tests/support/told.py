"""Where the watchdog tells what is wrong, and what is over."""

from services.alerts.model import Failure


class Told:
    """What is reported and settled."""

    def __init__(self) -> None:
        self.open: list[Failure] = []
        self.closed: list[str] = []

    def report(self, failure: Failure) -> None:
        self.open.append(failure)

    def settle(self, alert_id: str, by: str, why: str) -> None:
        self.closed.append(alert_id)
