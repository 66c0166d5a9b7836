"""Records: headers kept byte for byte, no more in hand than should be, and partitions as every Kafka client computes them."""

from collections import Counter

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.kafka import partition_of
from shared.runtime.records import IN_HAND_BYTES, Outgoing, pack, portions, size, unpack


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.one_of(st.none(), st.binary()))))
def test_headers_come_out_as_they_went_in(headers: list[tuple[str, bytes | None]]) -> None:
    assert unpack(pack(headers)) == headers


def test_no_header_and_every_byte() -> None:
    assert unpack(pack([])) == []
    every = [("x", bytes(range(256))), ("x", b""), ("x", None)]
    assert unpack(pack(every)) == every
    assert b"\x00" not in pack(every)


@given(key=st.text(st.characters(exclude_categories=["Cs"])), partitions=st.integers(1, 64))
def test_a_key_has_the_partition_any_client_would_choose(key: str, partitions: int) -> None:
    numbers = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), numbers, numbers)


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
)
def test_a_partition_comes_of_the_hash_kafka_itself_is_tested_with(key: str, murmur2: int) -> None:
    for partitions in (1, 6, 12):
        assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_keys_are_spread_over_all_partitions() -> None:
    spread = Counter(partition_of(f"cart-{n}", 6) for n in range(6_000))
    assert set(spread) == set(range(6))
    assert min(spread.values()) > 800


def test_the_size_of_a_record_is_that_of_all_it_carries() -> None:
    assert size(Outgoing(0, "t", None, None, [])) == 0
    assert size(Outgoing(0, "t", b"k", b"value", [("name", b"x"), ("none", None)])) == 15


def test_portions_have_no_more_than_so_many() -> None:
    assert list(portions(range(5), 2, lambda _: 1)) == [[0, 1], [2, 3], [4]]
    assert list(portions([], 2, lambda _: 1)) == []


def test_large_ones_go_by_themselves() -> None:
    half = IN_HAND_BYTES // 2
    sizes = [half, half, 1, IN_HAND_BYTES + 1, IN_HAND_BYTES + 1, 5]
    assert list(portions(range(6), 10, sizes.__getitem__)) == [[0, 1], [2], [3], [4], [5]]
