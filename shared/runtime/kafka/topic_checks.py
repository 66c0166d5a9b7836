"""What the topics of a cluster are like, and how that differs from what the services count on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.contract.topics import RETENTION, Topic
from shared.runtime.postgres.inbox import KEPT
from shared.settings import Settings

TRANSACTION_LIMIT: Final = "transaction.max.timeout.ms"
TRANSACTION: Final = timedelta(minutes=1)
"""How long a producer that died in a transaction should hold a partition back at most."""
UNBOUNDED: Final = -1
_CLUSTER: Final = "the brokers"


@dataclass(frozen=True)
class FoundTopic:
    """A topic as it is on the broker.

    ``replicas``: the fewest a partition has. ``config`` is empty where we may not read it.
    """

    partitions: int
    replicas: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A setting of a topic that is not as the services count on. ``refused``: no service that uses the topic starts."""

    topic: str
    setting: str
    found: str
    wanted: str
    why: str
    refused: bool = False

    @property
    def sentence(self) -> str:
        """What is wrong, and what it should be."""
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
    """How these topics differ from what the services count on; what may lose or double messages is ``refused``."""
    told: list[Difference] = []
    for topic in topics:
        name = settings.topic(topic.name)
        if name not in found:
            told.append(Difference(name, "topic", "missing", "there", "is missing", refused=True))
            continue
        told += _of_shape(name, found[name], settings)
        if found[name].config:
            told += _of_config(name, topic, found[name], settings)
        else:
            told.append(
                Difference(name, "settings", "unknown", "readable", "keeps its settings from us: allow DescribeConfigs")
            )
    return told


def transaction_difference(limit: timedelta | None) -> list[Difference]:
    """What the brokers' limit for transactions allows, where that is too much."""
    if limit is None or limit <= TRANSACTION:
        return []
    why = f"let a producer that died in a transaction hold its partition back for {duration(limit)}"
    return [Difference(_CLUSTER, TRANSACTION_LIMIT, _milliseconds(limit), _milliseconds(TRANSACTION), why)]


def _of_shape(name: str, found: FoundTopic, settings: Settings) -> Iterable[Difference]:
    if found.partitions != settings.partitions:
        why = f"has {found.partitions} partitions and not {settings.partitions}"
        yield Difference(name, "partitions", str(found.partitions), str(settings.partitions), why, refused=True)
    if found.replicas < settings.replication_factor:
        why = "has fewer replicas than QUADRILLE_REPLICATION_FACTOR says"
        yield Difference(name, "replicas", str(found.replicas), str(settings.replication_factor), why)


def _of_config(name: str, topic: Topic, found: FoundTopic, settings: Settings) -> Iterable[Difference]:
    wanted = wanted_config(topic, settings)

    def differs(setting: str, why: str, *, refused: bool = False, instead: str | None = None) -> Difference:
        return Difference(name, setting, found.config[setting], instead or wanted[setting], why, refused)

    yield from _of_cleanup(topic, found, differs)
    if found.config.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
        why = "keeps records by the clocks of their writers, and forgets early what a slow clock wrote"
        yield differs("message.timestamp.type", why, refused=not topic.compacted)
    if _number(found, "max.message.bytes", UNBOUNDED) < int(wanted["max.message.bytes"]):
        yield differs("max.message.bytes", "refuses large records, which stay in the outbox")
    if found.config.get("compression.type", wanted["compression.type"]) != wanted["compression.type"]:
        yield differs("compression.type", "is compressed by the broker in a way that some clients cannot read")
    in_sync = _number(found, "min.insync.replicas", 1)
    if in_sync > found.replicas:
        yield differs("min.insync.replicas", f"may take no writes: it has {found.replicas} replicas")
    elif in_sync < int(wanted["min.insync.replicas"]):
        yield differs("min.insync.replicas", "may lose an acknowledged record with one broker")
    if found.replicas > 1 and found.config.get("unclean.leader.election.enable") == "true":
        why = "may lose acknowledged records when a replica that is behind becomes the leader"
        yield differs("unclean.leader.election.enable", why, instead="false")


def _of_cleanup(topic: Topic, found: FoundTopic, differs: Any) -> Iterable[Difference]:
    policy = {word.strip() for word in found.config.get("cleanup.policy", "").split(",")} - {""}
    if topic.compacted:
        if policy != {"compact"}:
            yield differs("cleanup.policy", "forgets products that nobody mentioned for a while")
        return
    if "compact" in policy:
        yield differs("cleanup.policy", "is compacted: of messages with one key only the last stays", refused=True)
    assert topic.retention is not None
    kept = _number(found, "retention.ms", UNBOUNDED) if "delete" in policy else UNBOUNDED
    segment = _number(found, "segment.ms", 0)
    if kept != UNBOUNDED and timedelta(milliseconds=kept) < topic.retention:
        why = f"keeps records for {duration(timedelta(milliseconds=kept))}: a service that is down for longer loses the rest"
        yield differs("retention.ms", why, refused=timedelta(milliseconds=kept) < RETENTION)
    elif not topic.holds_dead_letters and (kept == UNBOUNDED or timedelta(milliseconds=kept + segment) >= KEPT):
        why = (
            f"keeps records for longer than the {duration(KEPT)} for which a service remembers them: if its offsets are lost,"
            " older messages take effect again"
        )
        if "retention.ms" in found.config:
            yield differs("retention.ms", why)
    if _number(found, "retention.bytes", UNBOUNDED) != UNBOUNDED:
        yield differs("retention.bytes", "forgets records early when there are many", instead=str(UNBOUNDED))


def _number(found: FoundTopic, setting: str, default: int) -> int:
    return int(found.config.get(setting, default))


def _milliseconds(time: timedelta) -> str:
    return str(time // timedelta(milliseconds=1))


def duration(time: timedelta) -> str:
    """A time in the largest unit it has whole ones of: ``7 d``, ``90 min``, ``0.5 s``."""
    for unit, size in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if time >= size and not time % size:
            return f"{time // size} {unit}"
    return f"{time.total_seconds():g} s"
