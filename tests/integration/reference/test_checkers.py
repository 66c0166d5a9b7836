"""The documents as the tools of their formats see them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.reference import choreography, pages
from devstack.reference.asyncapi import ATTRIBUTES, DEAD_LETTER, build
from shared.contract.topics import DEAD_LETTERS, TOPICS
from tests.support import node

HERE, ROOT = Path(__file__).parent, pages.source()


@pytest.fixture(scope="module", autouse=True)
def _node() -> None:
    node.require()


def test_the_asyncapi_document_is_valid_and_one_with_a_fault_is_not(tmp_path: Path) -> None:
    (tmp_path / "faulty.json").write_text(json.dumps(faulty("catalog.events")))
    ours, wrong = node.run(HERE / "asyncapi.mjs", str(ROOT / "docs/reference/asyncapi.json"), str(tmp_path / "faulty.json"))
    assert ours["faults"] == []
    assert ours["parsed"]
    assert not wrong["parsed"]
    assert [fault.split(":")[0] for fault in wrong["faults"]] == ["operations.one.messages.0"]

    known = choreography.load()
    told = {operation["id"]: operation for operation in ours["operations"]}
    for topic in TOPICS:
        for service in known.services:
            read = [kind.type_name() for kind in known.read(service, topic)]
            read += [DEAD_LETTER] if read and topic == DEAD_LETTERS else []
            if read:
                assert told[f"{service}.receives.{topic}"] == {
                    "id": f"{service}.receives.{topic}",
                    "action": "receive",
                    "channels": [topic],
                    "messages": read,
                }


def faulty(topic: str) -> dict[str, Any]:
    """The part of the document about one topic, with an operation that names a message outside of its channel."""
    document = build(choreography.load())
    channel = document["channels"][topic]
    names = {*channel["messages"], ATTRIBUTES}
    operation = document["operations"][f"cart.receives.{topic}"]
    operation["messages"][0]["$ref"] = "#/components/messages/ProductListed"
    components = document["components"]
    for part in ("messages", "schemas"):
        components[part] = {name: made for name, made in components[part].items() if name in names}
    return document | {"channels": {topic: channel}, "operations": {"one": operation}}


def test_every_diagram_is_valid_and_one_with_a_fault_is_not(tmp_path: Path) -> None:
    drawn = [
        diagram for page in ("docs/reference/choreography.md", "README.md") for diagram in diagrams((ROOT / page).read_text())
    ]
    faulty = [drawn[0].replace("-->", "--"), drawn[-1].replace("->>", ">>")]
    (tmp_path / "diagrams.json").write_text(json.dumps(drawn + faulty))

    said: list[Any] = node.run(HERE / "mermaid.mjs", str(tmp_path / "diagrams.json"))
    assert set(said[: len(drawn)]) == {"flowchart-v2", "sequence"}
    assert all(word.startswith("wrong: ") for word in said[len(drawn) :])


def diagrams(page: str) -> Iterator[str]:
    """The Mermaid diagrams of a page."""
    for part in page.split("```mermaid\n")[1:]:
        yield part.split("```")[0]
