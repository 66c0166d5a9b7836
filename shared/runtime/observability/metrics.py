"""The metrics of every service. Labels never carry ids, so their number is bound by the code.

A counter whose labels are known from the beginning is there from the beginning, at 0: the first failure after a start is a
rise then, and no new series that a rate does not see.
"""

import importlib.metadata
import platform
import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

without_created: Callable[[], None] = prometheus_client.disable_created_metrics
without_created()

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

handled = Counter("quadrille_messages_handled_total", "Messages handled, by type", ["service", "type"])
emitted = Counter("quadrille_messages_emitted_total", "Messages committed to the outbox, by type", ["service", "type"])
misplaced = Counter(
    "quadrille_commands_misplaced_total",
    "Commands whose record has no key (no_key), another than its cart's or SKU's (other_key), or the partition of none of ours"
    " (other_partition): their order is not kept",
    ["service", "kind"],
)
dead_letters = Counter("quadrille_dead_letters_total", "Dead letters committed", ["service", "stage"])
reaction_seconds = Histogram(
    "quadrille_reaction_seconds",
    "Seconds from an event to the commit of the reaction to it",
    ["service", "reaction"],
    buckets=SECONDS,
)
published = Counter("quadrille_records_published_total", "Records the broker acknowledged", ["service"])
relay_failures = Counter("quadrille_relay_failures_total", "Failed attempts to publish", ["service"])
outbox_depth = Gauge("quadrille_outbox_depth", "Records committed and not yet published, of the whole service", ["service"])
outbox_age = Gauge("quadrille_outbox_age_seconds", "Seconds the oldest of them has waited", ["service"])
outbox_quarantined = Gauge("quadrille_outbox_quarantined", "Records that cannot be sent and are quarantined", ["service"])
topic_refuses = Gauge(
    "quadrille_topic_refuses", "Whether a topic refuses records of the service; they wait in the outbox", ["service", "topic"]
)
batch_size = Histogram(
    "quadrille_batch_size", "Work items of one commit", ["service"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
batch_seconds = Histogram(
    "quadrille_batch_seconds",
    "Seconds from the first statement to the commit",
    ["service"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
statements = Counter("quadrille_statements_total", "Statements sent to the database")
kafka_requests = Counter("quadrille_kafka_requests_total", "Requests sent to the broker, by kind", ["request"])
partitions = Gauge("quadrille_partitions_owned", "Partitions this member owns", ["service"])
guest_partitions = Gauge(
    "quadrille_partitions_visited", "Partitions of which this member handles some topics for their owner", ["service"]
)
healthy = Gauge("quadrille_healthy", "Whether the service has all it needs, as /readyz says", ["service"])
gateway_calls = Counter("quadrille_gateway_calls_total", "Calls to the payment gateway", ["operation", "outcome"])
gateway_trouble = Gauge("quadrille_gateway_in_trouble", "Whether calls to the payment gateway are held back")
gateway_seconds = Histogram("quadrille_gateway_seconds", "Seconds of a call to the payment gateway", ["operation"])
build_info = Gauge("quadrille_build_info", "1, with the version that runs", ["service", "version", "python"])


def label(name: str) -> str:
    """The name of a class as the value of a label: ``not_found`` for ``NotFound``."""
    return _WORD.sub("_", name).lower()


def tell_build(service: str) -> None:
    """Say which version of Quadrille and of Python this process of a service runs."""
    try:
        version = importlib.metadata.version("quadrille")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    build_info.labels(service, version, platform.python_version()).set(1)


M = TypeVar("M", Counter, Histogram)


class Children(dict[str, M], Generic[M]):
    """The children of a metric by the value of its last label; each is looked up once, as that costs more than to count."""

    def __init__(self, metric: M, *labels: str) -> None:
        super().__init__()
        self._metric: M = metric
        self._labels = labels

    def __missing__(self, name: str) -> M:
        child = self[name] = self._metric.labels(*self._labels, name)
        return child
