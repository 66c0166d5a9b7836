"""What is generated is current, and no message breaks those who know its released schema."""

import json
import shutil
from pathlib import Path

import pytest

from devstack.reference import choreography, deploy, pages
from devstack.reference.compatibility import breaks
from devstack.reference.schemas import definitions, silent
from shared.contract.registry import MESSAGES
from tests.unit.devstack.reference import planted

ROOT = pages.source()


def test_all_documents_are_current() -> None:
    outdated = pages.stale(ROOT, choreography.load())
    assert list(outdated) == [], "run `make docs`"


def test_no_message_breaks_those_who_know_its_released_schema() -> None:
    released = pages.released(ROOT)
    assert released, "there is nothing to compare with"
    assert breaks(released, pages.schemas()) == [], "see `quadrille docs check`"


def test_a_changed_a_missing_and_a_superfluous_file_are_outdated(tmp_path: Path) -> None:
    for part in ("README.md", *map(str, deploy.generated(ROOT))):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    known = choreography.load()
    pages.write(tmp_path, pages.stale(tmp_path, known))
    assert pages.stale(tmp_path, known) == {}

    (tmp_path / "docs/reference/events.md").write_text("# Nothing ever happens\n")
    (tmp_path / "docs/reference/schemas/OrderCreated.v1.json").unlink()
    (tmp_path / "docs/reference/schemas/OrderDreamt.v1.json").write_text("{}")
    outdated = pages.stale(tmp_path, known)
    assert {str(path): text is None for path, text in outdated.items()} == {
        "docs/reference/events.md": False,
        "docs/reference/schemas/OrderCreated.v1.json": False,
        "docs/reference/schemas/OrderDreamt.v1.json": True,
    }
    pages.write(tmp_path, outdated)
    assert pages.stale(tmp_path, known) == {}


def test_a_second_version_of_a_message_stands_beside_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MESSAGES, planted.OrderCreated.type_name(), planted.OrderCreated)
    made = pages.generated(ROOT, choreography.load())
    assert "### OrderCreated\n" in made[Path("docs/reference/events.md")]
    assert "### OrderCreatedV2\n" in made[Path("docs/reference/events.md")]
    messages = json.loads(made[Path("docs/reference/asyncapi.json")])["components"]["messages"]
    assert messages["OrderCreated"]["name"] == "quadrille.OrderCreated.v1"
    assert messages["OrderCreatedV2"]["name"] == "quadrille.OrderCreated.v2"
    schema = json.loads(made[Path("docs/reference/schemas/OrderCreated.v2.json")])
    assert schema["properties"]["present"]["description"] == "Whether the bill stays out of the parcel."
    assert breaks(pages.released(ROOT), pages.schemas()) == []


def test_every_message_and_field_says_what_it_means() -> None:
    assert silent(definitions(MESSAGES.values(), "#/$defs/")) == [], "write docstrings: what is it, in which unit?"


def test_a_field_that_does_not_say_what_it_means_is_named() -> None:
    assert silent(definitions([planted.Silent], "#/$defs/")) == ["Silent.mystery", "Silent.riddle"]
    assert silent(definitions([planted.Wordless], "#/$defs/")) == ["Wordless"]


def test_what_a_class_says_of_its_fields_is_said_of_them() -> None:
    fields = definitions([planted.Talkative], "#/$defs/")["Talkative"]["properties"]
    assert fields["weight"]["description"] == "Grams, with the box."
    assert fields["height"]["description"] == fields["width"]["description"] == "Millimetres."
    assert fields["cart_id"]["description"] == "The cart."
