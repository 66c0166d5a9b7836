"""Every rule of compatibility, with a break planted for it.

That it is a break is not the comparison's word alone: yesterday's and today's models read the bodies themselves.
"""

import itertools
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

import pytest

from devstack.reference.compatibility import breaks, changes
from devstack.reference.schemas import document
from shared.contract.message import Message
from tests.unit.devstack.reference import changed
from tests.unit.devstack.reference.changed import (
    Change,
    Fact,
    Few,
    Form,
    Large,
    Line,
    LongForm,
    LongLine,
    Many,
    Short,
    Small,
    Upper,
    Wish,
    message,
)

RULES: Final = {
    **{f"event: {name}": change for name, change in changed.EVENTS_FOR_YESTERDAYS_READERS.items()},
    **{f"event in topics: {name}": change for name, change in changed.EVENTS_TOPICS_STILL_HOLD.items()},
    **{f"command: {name}": change for name, change in changed.COMMANDS_OF_YESTERDAYS_CLIENTS.items()},
}


def takes(kind: type[Message], body: Mapping[str, Any]) -> bool:
    """Whether a reader of today, or of yesterday, takes a body."""
    try:
        kind.model_validate_json(json.dumps({"code": "c", **body}))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("change", RULES.values(), ids=list(RULES))
def test_a_break_is_named(change: Change) -> None:
    assert f" {change.said}" in changes(document(change.old, {}), document(change.new, {}))
    if change.before is not None:
        assert takes(change.old, change.before)
        assert not takes(change.new, change.before)
    if change.now is not None:
        assert takes(change.new, change.now)
        assert not takes(change.old, change.now)


@pytest.mark.parametrize("change", changed.FINE.values(), ids=list(changed.FINE))
def test_nothing_is_said_of_what_breaks_nobody(change: Change) -> None:
    assert changes(document(change.old, {}), document(change.new, {})) == []


KINDS: Final[dict[Any, tuple[Any, ...]]] = {
    int: (0, 7, 99),
    Small: (1, 5),
    Large: (0, 9),
    float: (0.5, 3),
    str: ("", "x", "X", "xxxxxxxxxxxx"),
    Short: ("", "x"),
    Upper: ("X", "XXXXXXXXXXXX"),
    Literal["X", "y"]: ("X", "y"),
    Literal["X"]: ("X",),
    bool: (True,),
    int | None: (0, None),
    Small | str: (1, "x"),
    Few: ([], [1]),
    Many: ([1, 2],),
    tuple[Small, ...]: ([5, 5, 5],),
    Line: ({"n": 1},),
    LongLine: ({"n": 1, "m": 2},),
    Form: ({"n": 1},),
    LongForm: ({"n": 1}, {"n": 1, "m": 2}),
    dict[Upper, int]: ({}, {"X": 1}),
    dict[str, Small]: ({"x": 1},),
}
"""Types of a field, each with values that only just fit it."""
NOBODY_KNOWS: Final[dict[Any, tuple[Any, ...]]] = {Line: ({"n": 1, "m": "?"},)}
"""What a client may say besides, where nobody looks; services write what the contract knows, and no more."""


@pytest.mark.parametrize("base", [Fact, Wish])
def test_what_nothing_is_said_of_is_read(base: type[Message]) -> None:
    """Every type becomes every other, required or not: where the comparison sees no break, readers see none either."""
    models = {
        (kind, required): message(base, kind if required else (kind, values[0]))
        for kind, values in KINDS.items()
        for required in (True, False)
    }
    schemas = {key: document(model, {}) for key, model in models.items()}
    fine = [pair for pair in itertools.product(models, repeat=2) if not changes(schemas[pair[0]], schemas[pair[1]])]
    assert len(fine) >= len(models), "a message serves those who know it as it is"
    for old, new in fine:
        for written, read in [(old, new)] if base is Wish else [(old, new), (new, old)]:
            values = KINDS[written[0]] + (NOBODY_KNOWS.get(written[0], ()) if base is Wish else ())
            bodies: list[dict[str, Any]] = [{"a": value} for value in values] + ([] if written[1] else [{}])
            for body in bodies:
                assert takes(models[written], body), f"{body} of {written} is no example"
                assert takes(models[read], body), f"{old} becomes {new}: {body} of {written} is not read by {read}"


def test_the_topic_the_key_and_the_kind_stay() -> None:
    old = document(Fact, {})
    assert changes(old, old | {"x-topic": "cart.events"}) == [": its topic was order.events and is cart.events"]
    assert changes(old, old | {"x-key": "name"}) == [": its Kafka key was code and is name"]
    assert changes(old, old | {"x-kind": "command"}) == [": the message was event and is command"]


def test_a_message_that_is_gone_is_a_break_and_a_new_one_is_none() -> None:
    schema = document(Fact, {})
    (sentence,) = breaks({"Fact.v1.json": schema}, {"Fact.v2.json": schema})
    assert sentence.startswith("Fact.v1: it was released and is gone")
    assert breaks({"Fact.v1.json": schema}, {"Fact.v1.json": schema, "Fact.v2.json": schema}) == []


def test_what_cannot_be_compared_is_a_break() -> None:
    old, new = document(message(Wish, float), {}), document(message(Wish, float), {})
    new["properties"]["a"] = {"type": "number", "multipleOf": 2}
    assert changes(old, new) == [" a: yesterday's writers keep to no multipleOf, and today's readers want multipleOf 2"]
