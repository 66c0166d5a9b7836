"""The attributes of CloudEvents 1.0, read from the headers of a record (binary mode) or from its value (structured mode)."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pydantic_core

from shared.contract.cards import without_card_numbers
from shared.contract.encodings import TWICE, explain, is_json_in_json

Headers = Sequence[tuple[str, bytes | None]]
"""As in Kafka, where a header may have no value and a name may come several times."""
Attributes = Mapping[str, str]

PREFIX: Final = "ce_"
CONTENT_TYPE: Final = "datacontenttype"
_CORE: Final = ("id", "source", "type", "specversion", CONTENT_TYPE)
_EXTENSIONS: Final = ("time", "partitionkey", "correlationid", "causationid", "traceparent")
_KNOWN: Final = (*_CORE, *_EXTENSIONS)
_HEADERS: Final = {PREFIX + name: name for name in _KNOWN} | {"content-type": "content-type", "traceparent": "traceparent"}
_EVENTS: Final = "application/cloudevents"
"""What the media types of whole events begin with (structured mode)."""
_TEXT_OF_BYTES: Final = ("utf-8", "utf8", "us-ascii")


class UnreadableError(Exception):
    """Nobody can tell what this record says. It becomes a dead letter; its writer must be mended."""

    def __init__(self, said: str) -> None:
        super().__init__(without_card_numbers(said))


def of_headers(headers: Headers) -> dict[str, str]:
    """The attributes that headers name, and the plain headers known here. The first of equals counts.

    Raises :class:`UnreadableError` for one that is not UTF-8, or is written in another case than CloudEvents has it.
    """
    found: dict[str, str] = {}
    misspelt: list[str] = []
    for name, value in headers:
        attribute = _HEADERS.get(name)
        if attribute is None:
            if name[:3].lower() in (PREFIX, "ce-"):
                misspelt.append(name)
        elif attribute not in found and value is not None:
            try:
                found[attribute] = value.decode()
            except UnicodeDecodeError:
                raise UnreadableError(f"the header {name} is not UTF-8") from None
    for name in misspelt:
        right = PREFIX + name[3:].lower()
        if right in _HEADERS and _HEADERS[right] not in found:
            raise UnreadableError(f"the header {name} must be written {right}")
    return found


def is_structured(attributes: Attributes) -> bool:
    """Whether the value is the whole event, by the headers: they say so, or name no type."""
    return "type" not in attributes or attributes.get("content-type", "").strip().lower().startswith(_EVENTS)


def of_event(value: bytes, headers: Attributes) -> tuple[dict[str, str], bytes]:
    """The attributes of an event in structured mode, and its data as JSON. Raises :class:`UnreadableError`."""
    event = _event(value, headers)
    for name in event:
        right = name.lower()
        if name != right and right in (*_KNOWN, "data", "data_base64") and event.get(right) is None:
            raise UnreadableError(f"the attribute {without_card_numbers(name)} must be written {right}")
    found: dict[str, str] = {}
    for name in _KNOWN:
        if (told := event.get(name)) is not None:
            found[name] = _as_text(name, told)
    if "type" not in found:
        raise UnreadableError(
            "neither the headers nor the value name a CloudEvents type: the header ce_type does (then the value is the data),"
            ' or the field "type" beside "data" in the value'
        )
    return found, _data(event)


def _event(value: bytes, headers: Attributes) -> dict[str, Any]:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith(_EVENTS) and media_type != f"{_EVENTS}+json":
        raise UnreadableError(
            f"events of the content type {media_type[:60]} are not read; send one event a record, as {_EVENTS}+json"
        )
    try:
        event = pydantic_core.from_json(value, allow_inf_nan=False, allow_partial=False)
    except ValueError as error:
        raise UnreadableError(f"no CloudEvents type in the headers, and {explain(value, str(error))}") from None
    except RecursionError:
        raise UnreadableError("the value is nested too deeply") from None
    if is_json_in_json(event):
        raise UnreadableError(f"the value {TWICE}")
    if isinstance(event, list):
        raise UnreadableError("the value is a list; send one event a record")
    if not isinstance(event, dict):
        raise UnreadableError("the value is neither a CloudEvents event nor named one by the header ce_type")
    return event


def _as_text(name: str, told: Any) -> str:
    """An attribute as CloudEvents writes it: an extension may be a number or a truth value, the others are strings."""
    if isinstance(told, str):
        return told
    if name in _EXTENSIONS and isinstance(told, bool | int):
        return str(told).lower()
    raise UnreadableError(f"the attribute {name} must be a string: write it in quotes")


def _data(event: Mapping[str, Any]) -> bytes:
    data, encoded = event.get("data"), event.get("data_base64")
    if encoded is None:
        try:
            return pydantic_core.to_json(data)
        except ValueError as error:
            raise UnreadableError(f"the data cannot be read: {error}") from None
    if data is not None:
        raise UnreadableError("the value has both data and data_base64; send one of them")
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise UnreadableError("data_base64 must be a string of Base64 (RFC 4648, section 4)") from None


def check_charset(attributes: Attributes, body: bytes) -> None:
    """Raises :class:`UnreadableError` where the content type says that the body is in another character set than UTF-8."""
    parameters = attributes.get(CONTENT_TYPE, "").lower().split(";")[1:]
    for parameter in parameters:
        name, _, charset = parameter.strip().partition("=")
        if name.strip() == "charset" and charset.strip(' "') not in _TEXT_OF_BYTES and not body.isascii():
            raise UnreadableError(f"the data is in the character set {charset[:40]}; send UTF-8")
