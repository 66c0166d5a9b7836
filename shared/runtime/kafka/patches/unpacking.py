"""How large a compressed batch becomes: the broker bounds what is sent, and a kilobyte of zstd may be 30 megabytes of noughts.

It is found out within a bounded buffer, before anybody unpacks it as a whole.
"""

import zlib
from typing import Final

import cramjam

MAX_BYTES: Final = 32_000_000
"""Of all records of a batch; twice what a dead letter may have."""
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
ATTRIBUTES, RECORDS = 22, 61
"""Where a batch of format 2 has the byte that names its codec, and where its records begin (Kafka's RecordBatch)."""
_MOST: Final = {GZIP: 1_100, LZ4: 256}
"""So many bytes one byte becomes at most, which spares nearly all batches the trial; snappy's 22 are no danger."""


def is_too_large(batch: memoryview) -> bool:
    """Whether its records take more than :data:`MAX_BYTES`."""
    codec, packed = batch[ATTRIBUTES] & 0x07, batch[RECORDS:]
    if codec not in (GZIP, LZ4, ZSTD) or len(packed) * _MOST.get(codec, MAX_BYTES) <= MAX_BYTES:
        return False
    if codec == GZIP:
        return _is_more_gunzipped(bytes(packed))
    unpack = cramjam.lz4.decompress_into if codec == LZ4 else cramjam.zstd.decompress_into
    try:
        unpack(packed, bytearray(MAX_BYTES))
    except cramjam.DecompressionError:
        return True
    return False


def _is_more_gunzipped(rest: bytes) -> bool:
    """There may be several streams, one after the other."""
    left = MAX_BYTES
    while rest:
        stream = zlib.decompressobj(wbits=31)
        left -= len(stream.decompress(rest, left + 1))
        if left < 0:
            return True
        rest = stream.unused_data
    return False
