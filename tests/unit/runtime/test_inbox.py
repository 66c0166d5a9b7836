"""What tells two messages under one id apart, and what does not."""

import json

import pytest

from services.cart.reactions import reactions
from shared.contract.cart import AddItem
from shared.contract.products import ProductListed
from shared.runtime.inputs import DIGEST_BYTES, DeadLetter, Deliver, Reader, Reject, WorkItem, digest_of, identity, reused
from tests.support.facts import a
from tests.unit.contract.records import binary, body, structured

ADD = a(AddItem)
READER = Reader(reactions)


def name(item: WorkItem | None) -> bytes | None:
    """The digest by which an item is remembered."""
    assert item is not None
    seen = identity(item)
    assert seen is not None
    return seen.digest


def test_the_same_message_encoded_anew_is_the_same() -> None:
    mixed = json.dumps(dict(reversed(json.loads(body(ADD)).items())), indent=2).encode()
    spelt = body(ADD).replace(b"cart1", b"\\u0063art1")
    digests = {name(READER.read(given)) for given in (binary(ADD), structured(ADD), binary(ADD, mixed), binary(ADD, spelt))}
    assert len(digests) == 1
    assert all(found is not None and len(found) == DIGEST_BYTES for found in digests)


def test_what_stands_around_it_does_not_count() -> None:
    later = structured(ADD, time="2026-12-01T00:00:00Z", correlationid="other", traceparent="00-9-9-01")
    assert name(READER.read(later)) == name(READER.read(structured(ADD)))


def test_every_field_counts_also_one_nobody_here_knows_and_so_does_the_type() -> None:
    bodies = [b"{}", b'{"a": 1}', b'{"a": 2}', b'{"a": null}', b'{"a": 1, "of_tomorrow": 1}', b'{"a": %d}' % 10**40, b"{"]
    found = {digest_of(kind, one) for kind in ("A", "B") for one in bodies}
    assert len(found) == 2 * len(bodies)


@pytest.mark.parametrize("quantity", [2, -1])
def test_a_command_under_the_id_of_another_is_refused_whatever_it_says(quantity: int) -> None:
    item = READER.read(binary(ADD, body(ADD, quantity=quantity)))
    assert isinstance(item, Deliver | Reject)
    reject = reused(item, b"12345678")
    assert isinstance(reject, Reject)
    assert [(r.code, r.subject) for r in reject.error.reasons] == [("id_reused", "id")]
    assert identity(reject) not in (identity(item), None)


def test_a_fact_of_the_catalogue_under_the_id_of_another_is_a_dead_letter() -> None:
    item = READER.read(binary(a(ProductListed)))
    assert isinstance(item, Deliver)
    dead = reused(item, b"12345678")
    assert isinstance(dead, DeadLetter)
    assert str(dead.error).startswith("the id m1 of /tests was used before for another message")
