"""Compares the topics of a cluster with what the services need."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.contract.text import counted
from shared.contract.topics import RETENTION, Topic
from shared.runtime.postgres.inbox import KEPT
from shared.settings import Settings

TRANSACTION_LIMIT: Final = "transaction.max.timeout.ms"
TRANSACTION: Final = timedelta(minutes=1)
"""The longest time that the transaction of a dead producer should block a partition."""
UNBOUNDED: Final = -1
_CLUSTER: Final = "the brokers"


@dataclass(frozen=True)
class FoundTopic:
    """A topic on the broker.

    ``replicas``: the fewest of any partition. ``config`` is empty if we may not read it.
    """

    partitions: int
    replicas: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A setting of a topic that differs from what the services need. ``refused``: its services do not start."""

    topic: str
    setting: str
    found: str
    wanted: str
    why: str
    refused: bool = False

    @property
    def sentence(self) -> str:
        """What is wrong, and the value needed."""
        return f"{self.topic} {self.why} ({self.setting} is {self.found}, not {self.wanted})"


def wanted_config(topic: Topic, settings: Settings) -> dict[str, str]:
    """The settings a topic is created with."""
    largest = settings.dead_letter_max_bytes if topic.holds_dead_letters else settings.topic_max_bytes
    return topic.config(settings.replication_factor, largest, settings.topic_compression)


async def read_topics(admin: Any, names: Iterable[str]) -> dict[str, FoundTopic]:
    """Those of these topics that exist. Raises ``KafkaError``, ``OSError`` and ``TimeoutError``."""
    described = [topic for topic in await admin.describe_topics(list(names)) if not topic["error_code"]]
    configs = await _configs(admin, ConfigResourceType.TOPIC, [topic["topic"] for topic in described])
    return {
        topic["topic"]: FoundTopic(
            len(topic["partitions"]),
            min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            configs.get(topic["topic"], {}),
        )
        for topic in described
    }


async def read_transaction_limit(admin: Any) -> timedelta | None:
    """How long the brokers let a transaction stay open; nothing where we may not ask. Raises as :func:`read_topics`."""
    node = admin._client.get_random_node()
    config = (await _configs(admin, ConfigResourceType.BROKER, [str(node)])).get(str(node), {})
    return timedelta(milliseconds=int(config[TRANSACTION_LIMIT])) if TRANSACTION_LIMIT in config else None


async def _configs(admin: Any, kind: ConfigResourceType, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(kind, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4] if entry[1] is not None}
        for answer in answers
        for resource in answer.resources
        if not resource[0]
    }


def differences(settings: Settings, topics: Iterable[Topic], found: Mapping[str, FoundTopic]) -> list[Difference]:
    """How these topics differ from what the services need; what may lose or duplicate messages is ``refused``."""
    result: list[Difference] = []
    for topic in topics:
        name = settings.topic(topic.name)
        if name not in found:
            result.append(Difference(name, "topic", "missing", "there", "is missing", refused=True))
            continue
        result += _of_shape(name, found[name], settings)
        if found[name].config:
            result += _of_config(name, topic, found[name], settings)
        else:
            result.append(
                Difference(name, "settings", "unknown", "readable", "has settings that we may not read: allow DescribeConfigs")
            )
    return result


def transaction_difference(limit: timedelta | None) -> list[Difference]:
    """The brokers' limit for transactions, if it is too high."""
    if limit is None or limit <= TRANSACTION:
        return []
    why = f"let the transaction of a dead producer block a partition for {duration(limit)}"
    return [Difference(_CLUSTER, TRANSACTION_LIMIT, _milliseconds(limit), _milliseconds(TRANSACTION), why)]


def _of_shape(name: str, found: FoundTopic, settings: Settings) -> Iterable[Difference]:
    if found.partitions != settings.partitions:
        why = f"has {counted(found.partitions, 'partition')}, not {settings.partitions}"
        yield Difference(name, "partitions", str(found.partitions), str(settings.partitions), why, refused=True)
    if found.replicas < settings.replication_factor:
        why = "has fewer replicas than QUADRILLE_REPLICATION_FACTOR"
        yield Difference(name, "replicas", str(found.replicas), str(settings.replication_factor), why)


def _of_config(name: str, topic: Topic, found: FoundTopic, settings: Settings) -> Iterable[Difference]:
    wanted = wanted_config(topic, settings)

    def differs(setting: str, why: str, *, refused: bool = False, instead: str | None = None) -> Difference:
        return Difference(name, setting, found.config[setting], instead or wanted[setting], why, refused)

    yield from _of_cleanup(topic, found, differs)
    if found.config.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
        why = "expires records by the clock of their producer: a slow clock loses records early"
        yield differs("message.timestamp.type", why, refused=not topic.compacted)
    if _number(found, "max.message.bytes", UNBOUNDED) < int(wanted["max.message.bytes"]):
        yield differs("max.message.bytes", "rejects large records, which then stay in the outbox")
    if found.config.get("compression.type", wanted["compression.type"]) != wanted["compression.type"]:
        yield differs("compression.type", "is compressed by the broker with a codec that some clients cannot read")
    in_sync = _number(found, "min.insync.replicas", 1)
    if in_sync > found.replicas:
        yield differs("min.insync.replicas", f"accepts no writes with {counted(found.replicas, 'replica')}")
    elif in_sync < int(wanted["min.insync.replicas"]):
        yield differs("min.insync.replicas", "may lose acknowledged records if one broker fails")
    if found.replicas > 1 and found.config.get("unclean.leader.election.enable") == "true":
        why = "may lose acknowledged records if an out-of-sync replica becomes leader"
        yield differs("unclean.leader.election.enable", why, instead="false")


def _of_cleanup(topic: Topic, found: FoundTopic, differs: Any) -> Iterable[Difference]:
    policy = {word.strip() for word in found.config.get("cleanup.policy", "").split(",")} - {""}
    if topic.compacted:
        if policy != {"compact"}:
            yield differs("cleanup.policy", "loses products without recent events")
        return
    if "compact" in policy:
        yield differs("cleanup.policy", "is compacted: only the last message of each key is kept", refused=True)
    assert topic.retention is not None
    kept = _number(found, "retention.ms", UNBOUNDED) if "delete" in policy else UNBOUNDED
    segment = _number(found, "segment.ms", 0)
    if kept != UNBOUNDED and timedelta(milliseconds=kept) < topic.retention:
        why = f"keeps records for {duration(timedelta(milliseconds=kept))}: a service that is down for longer loses messages"
        yield differs("retention.ms", why, refused=timedelta(milliseconds=kept) < RETENTION)
    elif not topic.holds_dead_letters and (kept == UNBOUNDED or timedelta(milliseconds=kept + segment) >= KEPT):
        why = (
            f"keeps records for longer than services remember them ({duration(KEPT)}): if offsets are lost, older messages"
            " take effect again"
        )
        if "retention.ms" in found.config:
            yield differs("retention.ms", why)
    if _number(found, "retention.bytes", UNBOUNDED) != UNBOUNDED:
        yield differs("retention.bytes", "loses records early if there are many", instead=str(UNBOUNDED))


def _number(found: FoundTopic, setting: str, default: int) -> int:
    return int(found.config.get(setting, default))


def _milliseconds(time: timedelta) -> str:
    return str(time // timedelta(milliseconds=1))


def duration(time: timedelta) -> str:
    """A duration in the largest unit without a fraction: ``7 d``, ``90 min``, ``0.5 s``."""
    for unit, size in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if time >= size and not time % size:
            return f"{time // size} {unit}"
    return f"{time.total_seconds():g} s"
