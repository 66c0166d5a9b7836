"""What makes a service: the one thing that each of them says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.contract.topics import TOPICS, commands_topic, redrive_topic
from shared.runtime import kafka
from shared.runtime.observability.tracing import Tracer
from shared.runtime.postgres.store import Store
from shared.runtime.reactions import Reactions
from shared.runtime.work import Wiring
from shared.settings import Settings


@dataclass(frozen=True)
class Definition:
    """What makes a service: its reactions, the stores of its aggregates, and what its reactions ask for by type.

    ``max_batch_size``: work items of one commit at most; more cost as much each, and keep the next service waiting. Few where a
    reaction may load megabytes.
    """

    reactions: Reactions
    stores: Sequence[Store[Any]]
    context: Mapping[type[Any], Any] = field(default_factory=dict)
    max_batch_size: int = 250

    @property
    def topics(self) -> list[str]:
        """The topics its messages come on, and the one its dead letters come back on."""
        redrives = redrive_topic(self.reactions.service)
        return sorted({kind.topic for kind in self.reactions.messages.values()} | ({redrives} & TOPICS.keys()))

    @property
    def anchor(self) -> str | None:
        """The topic whose assignment decides who owns which partition: the service's commands."""
        commands = commands_topic(self.reactions.service)
        return commands if commands in self.topics else None

    def wiring(self, settings: Settings, tracer: Tracer) -> Wiring:
        """What its commits have in common."""
        partition_of = partial(kafka.partition_of, partitions=settings.partitions)
        stores = {store.kind: store for store in self.stores}
        return Wiring(self.reactions.service, stores, partition_of, self.context, settings.topic, tracer)
