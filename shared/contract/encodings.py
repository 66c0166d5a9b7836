"""What bytes are that should be JSON and are not: so that their writer is told what to change."""

import json
from typing import Final

_BEGINNINGS: Final = (
    (b"\x1f\x8b", "is compressed with gzip; send plain JSON, and let the producer compress (compression.type)"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; send plain JSON, and let the producer compress (compression.type)"),
    (b"\x04\x22\x4d\x18", "is compressed with LZ4; send plain JSON, and let the producer compress (compression.type)"),
    (b"\xff\x06\x00\x00sNaPpY", "is compressed with snappy; send plain JSON, and let the producer compress (compression.type)"),
    (b"\x82SNAPPY\x00", "is compressed with snappy; send plain JSON, and let the producer compress (compression.type)"),
    (b"PK\x03\x04", "is a ZIP file; send plain JSON"),
    (b"\xef\xbb\xbf", "begins with a byte order mark (EF BB BF); send UTF-8 without one"),
    (b"\xff\xfe", "is UTF-16 or UTF-32; send UTF-8"),
    (b"\xfe\xff", "is UTF-16; send UTF-8"),
    (b"\x00\x00\xfe\xff", "is UTF-32; send UTF-8"),
    (b"\x00\x00\x00{", "is UTF-32; send UTF-8"),
    (b"{\x00", "is UTF-16 or UTF-32; send UTF-8"),
    (b"\x00{", "is UTF-16; send UTF-8"),
    (
        b"\xac\xed\x00\x05",
        "is a serialized Java object; send JSON with a StringSerializer",
    ),
)
_SCHEMA_REGISTRY: Final = 5
"""Bytes that a schema registry's serializer writes first: 0, and the number of the schema."""


def explain(value: bytes, said: str) -> str:
    """Why a value is not read as JSON, and what to change; ``said``: what the parser said, where nothing better is known."""
    for beginning, what in _BEGINNINGS:
        if value.startswith(beginning):
            return f"the value {what}"
    if value[:1] == b"\x00" and len(value) > _SCHEMA_REGISTRY:
        schema = int.from_bytes(value[1:_SCHEMA_REGISTRY], "big")
        return (
            f"the value is framed by a schema registry's serializer (magic byte 0, schema {schema});"
            " send plain JSON with a serializer that needs no registry"
        )
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return f"the value is not UTF-8 (byte {error.start + 1}); send JSON in UTF-8"
    said = said.removeprefix("Invalid JSON: ")
    if "recursion" in said:
        return "the value is nested too deeply"
    if text.lstrip().startswith("<"):
        return "the value seems to be XML; send JSON"
    if text.lstrip().startswith(("{'", "[{'")):
        return "the value has names in single quotes; JSON has double quotes (in Python: json.dumps)"
    return f"the value is not JSON: {said}"


def is_json_in_json(value: object) -> bool:
    """Whether this is a string that holds a JSON object: a value that was encoded twice."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


TWICE: Final = "is a JSON string that holds JSON: it was encoded twice; send the object itself"
