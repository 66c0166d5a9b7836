"""Batches of records as they come from the broker, read also where a header's name is no text.

Kafka says that the name of a header is UTF-8, but no broker checks it, and clients in C can send any bytes. aiokafka
raises on such a name, for the whole batch and each time it is read: one record would stop its partition for ever.
"""

from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

MAGIC: Final = 16
"""Where a batch says which format it has; since 2 records have headers."""


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
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_with_names_escaped(self._data))


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
