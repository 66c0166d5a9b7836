"""Whether a message still serves those who know only its last released schema.

Commands are written by others: what was valid must stay valid, or yesterday's clients are refused. Events are read by
others: what is written must be readable by yesterday's services. And topics keep events for days and the catalogue's
for ever, so today's services must read yesterday's events too. In either case no field vanishes, none means something
else when it is left out, and topic and key stay. What breaks this needs a new version of the message beside the old.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devstack.reference.schemas import Schema

Refusals = Iterator[tuple[str, str]]
"""Places of fields, such as ``items[].quantity``, each with what is wrong there."""

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAYS_NOTHING: Final = {"title", "description", "examples", "default", "$schema", "$id", "$defs", "x-kind", "x-topic", "x-key"}
_BY_ITSELF: Final = {"type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties", "items"}
_TAKEN: Final = {"number": ("number", "integer")}
_PROMISES: Final = {"x-kind": "the message", "x-topic": "its topic", "x-key": "its Kafka key"}


def breaks(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[str]:
    """Every change that breaks somebody, in a sentence each. Schemas come by the names of their files."""
    found: list[str] = []
    for file, old in released.items():
        message = file.removesuffix(".json")
        if file in current:
            found += [f"{message}{sentence}" for sentence in changes(old, current[file])]
        else:
            found.append(f"{message}: it was released and is gone; topics may hold it, and somebody may send or await it")
    return found


def changes(old: Schema, new: Schema) -> list[str]:
    """The breaking changes of one message: the place of the field, if it is one, and what is wrong there."""
    found = [
        ("", f"{what} was {old.get(promise)} and is {new.get(promise)}")
        for promise, what in _PROMISES.items()
        if old.get(promise) != new.get(promise)
    ]
    found += _Reading("today's readers", new, "yesterday's writers", old, backward=True).refusals(new, old, "")
    if old["x-kind"] == "event":
        found += _Reading("yesterday's readers", old, "today's writers", new, backward=False).refusals(old, new, "")
    return [f" {place}: {what}" if place else f": {what}" for place, what in dict.fromkeys(found)]


@dataclass(frozen=True)
class _Reading:
    """Some read what others write, each by their own document. ``backward``: the readers are the newer."""

    readers: str
    known: Schema
    writers: str
    written: Schema
    backward: bool

    def refusals(self, reads: Schema, writes: Schema, at: str) -> Refusals:
        """What the writers may write and the readers do not take."""
        reads, writes = _resolved(reads, self.known), _resolved(writes, self.written)
        choices, written = _choices(reads), _choices(writes)
        if choices or written:
            yield from self._choices(choices or [reads], written or [writes], at)
        elif "type" in reads and writes.get("type") not in _TAKEN.get(reads["type"], (reads["type"],)):
            yield at, f"{self.writers} say {_kind(writes)}, and {self.readers} take {_kind(reads)}"
        else:
            yield from self._values(reads, writes, at)
            yield from self._bounds(reads, writes, at)
            yield from self._rest(reads, writes, at)
            yield from self._fields(reads, writes, at)
            yield from self._entries(reads, writes, at)

    def _choices(self, reads: Sequence[Schema], writes: Sequence[Schema], at: str) -> Refusals:
        """Each of the writers' choices must be one of the readers'; where one is like it, that one tells the difference."""
        known = [_resolved(choice, self.known) for choice in reads]
        for written in (_resolved(choice, self.written) for choice in writes):
            tried = {place: list(self.refusals(choice, written, at)) for place, choice in enumerate(known)}
            if all(tried.values()):
                alike = [refused for place, refused in tried.items() if known[place].get("type") == written.get("type")]
                yield from alike[0] if len(alike) == 1 else [(at, self._unknown(_kind(written)))]

    def _values(self, reads: Schema, writes: Schema, at: str) -> Refusals:
        known, written = _enumerated(reads), _enumerated(writes)
        if known is not None and written is None:
            yield at, f"{self.writers} may say anything, and {self.readers} know only {_listed(known)}"
        elif known is not None and written is not None and (news := [value for value in written if value not in known]):
            yield at, self._unknown(_listed(news))

    def _unknown(self, what: str) -> str:
        return f"{self.writers} may say {what}, and {self.readers} do not take it"

    def _bounds(self, reads: Schema, writes: Schema, at: str) -> Refusals:
        for bound in (b for b in _LOWER + _UPPER if b in reads):
            limit, reached = reads[bound], writes.get(bound, _of_pattern(bound, writes))
            if reached is None or (reached < limit if bound in _LOWER else reached > limit):
                yield at, self._differs(bound, writes, reads)

    def _rest(self, reads: Schema, writes: Schema, at: str) -> Refusals:
        """Patterns, formats and the like can only be the same: nobody can tell whether one holds what another does."""
        for keyword in sorted(reads.keys() - {*_LOWER, *_UPPER} - _SAYS_NOTHING - _BY_ITSELF):
            if _whole(reads[keyword], self.known) != _whole(writes.get(keyword), self.written):
                yield at, self._differs(keyword, writes, reads)

    def _differs(self, keyword: str, writes: Schema, reads: Schema) -> str:
        kept = f"{keyword} {writes[keyword]}" if keyword in writes else f"no {keyword}"
        return f"{self.writers} keep to {kept}, and {self.readers} want {keyword} {reads[keyword]}"

    def _fields(self, reads: Schema, writes: Schema, at: str) -> Refusals:
        known, written = reads.get("properties", {}), writes.get("properties", {})
        if self.backward and reads.get("additionalProperties") is False and "additionalProperties" not in writes:
            yield at, f"{self.writers} may say what nobody knows, and {self.readers} refuse it"
        for name in written:
            if name in known:
                yield from self.refusals(known[name], written[name], _inside(at, name))
            elif self.backward:
                yield _inside(at, name), "it is gone, and somebody may count on it"
            elif reads.get("additionalProperties") is False:
                yield _inside(at, name), f"{self.writers} say it, and {self.readers} refuse fields they do not know"
        for name in known:
            yield from self._left_out(name, reads, writes, _inside(at, name))

    def _left_out(self, name: str, reads: Schema, writes: Schema, at: str) -> Refusals:
        """A field the writers may leave out must be one the readers can do without, and mean the same as before."""
        new = name not in writes.get("properties", {})
        if name in writes.get("required", []) or (new and not self.backward):
            return
        if name in reads.get("required", []):
            yield at, f"{self.writers} may leave it out, and {self.readers} need it"
        elif self.backward and not new:
            now, before = reads["properties"][name].get("default"), writes["properties"][name].get("default")
            if now != before:
                yield at, f"left out, it means {json.dumps(now)} now and meant {json.dumps(before)}"

    def _entries(self, reads: Schema, writes: Schema, at: str) -> Refusals:
        """What is in lists and maps."""
        if "items" in reads:
            yield from self.refusals(reads["items"], writes.get("items", {}), f"{at}[]")
        keys, others = reads.get("patternProperties", {}), writes.get("patternProperties", {})
        if keys.keys() != others.keys():
            yield at, f"{self.writers} have keys {_listed(others)}, and {self.readers} want {_listed(keys)}"
        else:
            for pattern in keys:
                yield from self.refusals(keys[pattern], others[pattern], f"{at}{{}}")
        values, wanted = writes.get("additionalProperties"), reads.get("additionalProperties")
        if isinstance(wanted, dict):
            yield from self.refusals(wanted, values if isinstance(values, dict) else {}, f"{at}{{}}")


def _of_pattern(bound: str, schema: Schema) -> int | None:
    """The least or the most characters a text has that keeps to a pattern from its beginning to its end, if it has one."""
    pattern = schema.get("pattern", "")
    if not (pattern.startswith("^") and pattern.endswith("$") and bound in ("minLength", "maxLength")):
        return None
    least, most = re._parser.parse(pattern).getwidth()  # type: ignore[attr-defined]
    return int(least if bound == "minLength" else most)


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        schema = document["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _whole(part: Any, document: Schema) -> Any:
    """A part with all it refers to."""
    if isinstance(part, dict):
        return {name: _whole(value, document) for name, value in _resolved(part, document).items()}
    return [_whole(value, document) for value in part] if isinstance(part, list) else part


def _choices(schema: Schema) -> list[Schema]:
    return schema.get("anyOf") or schema.get("oneOf") or []


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _enumerated(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _kind(schema: Schema) -> str:
    return str(schema.get("type", "anything"))


def _listed(values: Any) -> str:
    return ", ".join(json.dumps(value) for value in values) or "any"
