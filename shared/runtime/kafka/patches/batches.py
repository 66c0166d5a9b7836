"""Batches of records as they come from the broker, read also where one of them would stop its partition for ever.

Kafka says that the name of a header is UTF-8, but no broker checks it, and clients in C can send any bytes. aiokafka
raises on such a name, for the whole batch and each time it is read. And a small batch may be packed so tightly that
unpacked it takes more memory than there is: one record stands for it, which nobody can read, at the place of its last.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

from shared.runtime.kafka.patches.unpacking import MAX_BYTES, is_too_large

MAGIC, COUNT = 16, 57
"""Where a batch says which format it has (since 2 records have headers), and how many records."""


class Batches(_MemoryRecordsPy):
    """The batches of one answer of the broker, in the place of aiokafka's own class."""

    def next_batch(self, *defaults: int) -> Any:
        """The next batch, or nothing."""
        data = self._next_slice
        batch = super().next_batch(*defaults)
        return _Batch(batch, data) if batch is not None and data[MAGIC] >= 2 else batch


class _Batch:
    """One batch, read by aiokafka's fast code, and only where that fails by ours."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch, self._data = batch, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        if is_too_large(self._data):
            return iter(_one_in_its_place(self._batch, self._data))
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_with_names_escaped(self._data))


def _one_in_its_place(batch: Any, data: memoryview) -> Any:
    count = int.from_bytes(data[COUNT : COUNT + 4], "big")
    said = f"{count} records in {len(data)} bytes were not unpacked: they take more than {MAX_BYTES}"
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000)
    builder.append(0, batch.max_timestamp, None, said.encode(), [])
    made = builder.build()
    made[:8] = (batch.next_offset - 1).to_bytes(8, "big")
    return DefaultRecordBatch(bytes(made))


def _with_names_escaped(data: memoryview) -> Any:
    batch = iter(_DefaultRecordBatchPy(data))
    batch._buffer = _Escaping(batch._buffer)
    return batch


class _Escaping(bytearray):
    """Bytes whose parts are always text: what is no UTF-8 is written as ``\\xff``."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _Escaping(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, "backslashreplace")


def install() -> None:
    """Have every consumer of this process read batches in this way."""
    fetcher.MemoryRecords = Batches
