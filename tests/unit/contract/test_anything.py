"""Whatever bytes and headers a record has, reading it raises nothing but what says that it cannot be read or is refused."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.registry import MESSAGES
from shared.contract.topics import TOPICS
from tests.support.facts import a
from tests.unit.contract.records import binary, check, record, structured

KINDS = list(MESSAGES.values())

HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_type", "ce_id", "ce_source", "ce_specversion", "content-type", "traceparent", "ce_", "x"]),
        st.one_of(
            st.none(), st.binary(max_size=9), st.sampled_from([k.encode() for k in MESSAGES]),
            st.sampled_from([b"1.0", b"application/cloudevents+json", b"application/json", b"i" * 300]),
        ),
    ),
    max_size=6,
)  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.sampled_from(sorted(MESSAGES))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["type", "id", "source", "data", "cart_id", "sku", "quantity", "method"]), inner),
    ),
    max_leaves=12,
)


@settings(max_examples=250)
@given(
    topic=st.sampled_from([*TOPICS, "unknown"]),
    key=st.one_of(st.none(), st.binary(max_size=9)),
    value=st.one_of(st.none(), st.binary(max_size=99), JSON.map(lambda value: json.dumps(value).encode("utf-8"))),
    headers=HEADERS,
)
def test_nothing_else_is_ever_raised(topic: str, key: bytes | None, value: bytes | None, headers: list[Any]) -> None:
    check(record(topic, value, headers, key))


@settings(max_examples=150)
@given(kind=st.sampled_from(KINDS), field=st.integers(0, 20), value=JSON, mode=st.sampled_from([binary, structured]))
def test_nothing_else_is_raised_by_a_message_with_one_field_spoilt(kind: Any, field: int, value: Any, mode: Any) -> None:
    message = a(kind)
    names = list(kind.model_fields)
    dumped = {**message.model_dump(mode="json"), names[field % len(names)]: value}
    if mode is binary:
        check(binary(message, json.dumps(dumped).encode()))
    else:
        check(structured(message, data=dumped))
