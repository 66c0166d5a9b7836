"""A header whose name is no text: its record is read like any other, and so are those around it."""

import gzip
import tracemalloc
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy

from shared.runtime.kafka.patches.batches import Batches
from shared.runtime.kafka.patches.unpacking import ATTRIBUTES, MAX_BYTES, RECORDS, is_too_large
from tests.support.topics import Name

Headers = list[tuple[str, bytes | None]]


def batch(*records: Headers, compression: int = 0, offset: int = 0) -> bytes:
    """A batch as a client sends it, of records ``value-0``, ``value-1``, … with these headers."""
    builder = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 1_000_000)
    for number, headers in enumerate(records):
        builder.append(number, 1_000, b"key", f"value-{number}".encode(), headers)
    made = builder.build()
    made[:8] = offset.to_bytes(8, "big")
    return bytes(made)


def read(data: bytes, start: int = 0) -> list[Any]:
    """What a consumer makes of an answer of the broker, from an offset on."""
    records = fetcher.MemoryRecords(data)
    return list(fetcher.PartitionRecords(TopicPartition("t", 0), records, [], start, None, None, True, 0))


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4], ids=["plain", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_every_record_of_the_batch_is_read(compression: int, start: int) -> None:
    evil: Headers = [("before", b"1"), (Name(b"\xff\xfe"), b"\xff"), ("after", None)]
    found = read(batch([("a", b"\xff")], evil, [("ü", b"3")], compression=compression), start)
    assert [record.offset for record in found] == [0, 1, 2][start:]
    assert [record.value for record in found] == [b"value-0", b"value-1", b"value-2"][start:]
    headers = [(("a", b"\xff"),), (("before", b"1"), ("\\xff\\xfe", b"\xff"), ("after", None)), (("ü", b"3"),)]
    assert [record.headers for record in found] == headers[start:]


def test_batches_before_and_after_it_are_read() -> None:
    data = batch([("a", b"1")]) + batch([(Name(b"\xc0"), b"2")], offset=1) + batch([("c", b"3")], [], offset=2)
    assert [(record.offset, record.headers) for record in read(data)] == [
        (0, (("a", b"1"),)),
        (1, (("\\xc0", b"2"),)),
        (2, (("c", b"3"),)),
        (3, ()),
    ]


def test_a_batch_that_is_damaged_is_still_refused() -> None:
    data = bytearray(batch([(Name(b"\xff"), b"2")]))
    data[-1] ^= 1
    with pytest.raises(Exception, match="Invalid CRC"):
        read(bytes(data))


def test_what_is_all_text_is_read_by_the_fast_code() -> None:
    batches = Batches(batch([("a", b"1")]))
    assert batches.has_next()
    one = batches.next_batch()
    assert isinstance(one._batch, DefaultRecordBatch)
    assert (one.base_offset, one.next_offset, one.is_control_batch) == (0, 1, False)
    assert not batches.has_next()
    assert batches.next_batch() is None


CODECS = pytest.mark.parametrize("compression", [1, 3, 4], ids=["gzip", "lz4", "zstd"])


def packed(compression: int, *values: bytes) -> bytes:
    """A batch of these values."""
    builder = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 2 * MAX_BYTES)
    for number, value in enumerate(values):
        builder.append(number, 1_000, b"key", value, [])
    return bytes(builder.build())


@CODECS
def test_what_is_packed_too_tightly_is_not_unpacked(compression: int) -> None:
    bomb = packed(compression, b"first", bytes(MAX_BYTES))
    after = bytearray(batch([("a", b"1")], offset=2))
    tracemalloc.start()
    found = read(bomb + after)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [record.offset for record in found] == [1, 2]
    assert found[0].key is None
    assert found[0].value.startswith(b"2 records in ")
    assert peak < 2.5 * MAX_BYTES


@CODECS
def test_what_is_large_and_allowed_is(compression: int) -> None:
    value = bytes(MAX_BYTES - 1_000)
    assert [record.value for record in read(packed(compression, value))] == [value]


def test_streams_one_after_the_other_are_added_up() -> None:
    half = gzip.compress(bytes(MAX_BYTES // 2 + 1))
    assert is_too_large(memoryview(bytes(ATTRIBUTES) + b"\x01" + bytes(RECORDS - ATTRIBUTES - 1) + half + half))
