"""Asks the brokers which open transactions block partitions, and whose they are.

A consumer of committed records cannot read past the first record of an open transaction. aiokafka lacks these requests:
DescribeProducers, ListTransactions and DescribeTransactions (brokers since 3.0).
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Final

from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from shared.lag.model import OpenTransaction, Place
from shared.timeouts import run_with_timeout

log = logging.getLogger(__name__)
ASK_SECONDS: Final = 5.0
_TAGS: Final = ("tags", TaggedFields)
_TEXT: Final = CompactString("utf-8")


class _ProducersResponse(Response):
    API_KEY = 61
    API_VERSION = 0
    SCHEMA: ClassVar[Schema] = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", _TEXT),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("first_offset", Int64),
                                _TAGS,
                            ),
                        ),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _ProducersRequestStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _ProducersResponse
    SCHEMA: ClassVar[Schema] = Schema(
        ("topics", CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)), _TAGS
    )


class DescribeProducers(Request[_ProducersRequestStruct]):
    """The producers that write to these partitions of a leader."""

    API_KEY = 61

    def __init__(self, places: Iterable[Place]) -> None:
        self._partitions: dict[str, list[int]] = defaultdict(list)
        for topic, partition in places:
            self._partitions[topic].append(partition)

    def build(self, request_struct_class: type[_ProducersRequestStruct]) -> _ProducersRequestStruct:
        """The request as it is sent."""
        return request_struct_class([(topic, partitions, {}) for topic, partitions in self._partitions.items()], {})


class _ListResponse(Response):
    API_KEY = 66
    API_VERSION = 0
    SCHEMA: ClassVar[Schema] = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("unknown_state_filters", CompactArray(_TEXT)),
        ("transactions", CompactArray(("transactional_id", _TEXT), ("producer_id", Int64), ("state", _TEXT), _TAGS)),
        _TAGS,
    )


class _ListRequestStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 66
    API_VERSION = 0
    RESPONSE_TYPE = _ListResponse
    SCHEMA: ClassVar[Schema] = Schema(("states", CompactArray(_TEXT)), ("producer_ids", CompactArray(Int64)), _TAGS)


class ListTransactions(Request[_ListRequestStruct]):
    """The transactions of these producers that a broker coordinates."""

    API_KEY = 66

    def __init__(self, producer_ids: Collection[int]) -> None:
        self._producer_ids = sorted(producer_ids)

    def build(self, request_struct_class: type[_ListRequestStruct]) -> _ListRequestStruct:
        """The request as it is sent."""
        return request_struct_class([], self._producer_ids, {})


class _DescribeResponse(Response):
    API_KEY = 65
    API_VERSION = 0
    SCHEMA: ClassVar[Schema] = Schema(
        ("throttle_time_ms", Int32),
        (
            "transactions",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", _TEXT),
                ("state", _TEXT),
                ("timeout_ms", Int32),
                ("started_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _DescribeRequestStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 65
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeResponse
    SCHEMA: ClassVar[Schema] = Schema(("transactional_ids", CompactArray(_TEXT)), _TAGS)


class DescribeTransactions(Request[_DescribeRequestStruct]):
    """When these transactions began, and how long they may stay open; for their coordinator."""

    API_KEY = 65

    def __init__(self, transactional_ids: Collection[str]) -> None:
        self._transactional_ids = sorted(transactional_ids)

    def build(self, request_struct_class: type[_DescribeRequestStruct]) -> _DescribeRequestStruct:
        """The request as it is sent."""
        return request_struct_class(self._transactional_ids, {})


async def find_transactions(admin: Any, held_back: Mapping[Place, int]) -> dict[Place, OpenTransaction]:
    """The transactions that block these partitions, each from the given offset, as far as the brokers say.

    A partition is missing if its broker is too old, or does not allow the request (Read on the topic, Describe on the
    transactional id). Raises ``OSError`` and ``TimeoutError``.
    """
    found: dict[Place, OpenTransaction] = {}
    by_leader: dict[int, list[Place]] = defaultdict(list)
    for topic in await run_with_timeout(ASK_SECONDS, admin.describe_topics(sorted({topic for topic, _ in held_back}))):
        for partition in topic["partitions"]:
            if (topic["topic"], partition["partition"]) in held_back:
                by_leader[partition["leader"]].append((topic["topic"], partition["partition"]))
    for leader, places in by_leader.items():
        answer = await _ask(admin, DescribeProducers(places), leader)
        for topic, partitions, _ in answer.topics if answer else ():
            for partition, _, _, producers, _ in partitions:
                for producer_id, _, _, _, _, first, _ in producers or ():
                    if first == held_back.get((topic, partition)):
                        found[topic, partition] = OpenTransaction(producer_id, first)
    if found:
        named = await _named(admin, {transaction.producer_id for transaction in found.values()})
        found = {place: named.get(one.producer_id, one).at(one.first_offset) for place, one in found.items()}
    return found


async def _named(admin: Any, producer_ids: Collection[int]) -> dict[int, OpenTransaction]:
    """The transaction of each producer. Its coordinator is the broker that lists it."""
    named: dict[int, OpenTransaction] = {}
    for broker in admin._client.cluster.brokers():
        listed = await _ask(admin, ListTransactions(producer_ids), broker.nodeId)
        ids = {transactional_id for transactional_id, *_ in (listed.transactions if listed else ())}
        described = await _ask(admin, DescribeTransactions(ids), broker.nodeId) if ids else None
        for error, transactional_id, _, timeout, started, producer_id, *_ in described.transactions if described else ():
            if not error:
                at = started / 1000 if started >= 0 else None
                named[producer_id] = OpenTransaction(producer_id, -1, transactional_id, at, timeout / 1000)
    return named


async def _ask(admin: Any, request: Request[Any], node: int) -> Any:
    """The answer of a broker; None if it does not know or allow the request."""
    try:
        return await run_with_timeout(ASK_SECONDS, admin._send_request_to_node(node, request))
    except (KafkaError, NotImplementedError) as error:
        log.debug("a broker does not describe open transactions: %r", error)
        return None
