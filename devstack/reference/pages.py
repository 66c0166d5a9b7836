"""All that is generated, by its place in the source; and the released schemas, which are written by a release alone."""

import json
from pathlib import Path
from typing import Any, Final

from devstack.reference import asyncapi, catalogue, deploy, readme, steps
from devstack.reference.choreography import Choreography
from devstack.reference.diagrams import overview, sequence, surroundings
from devstack.reference.edges import edges
from devstack.reference.examples import example
from devstack.reference.schemas import Schema, document, file_name
from devstack.reference.stories import STORIES
from shared.contract.registry import MESSAGES

SCHEMAS: Final = Path("docs/reference/schemas")
RELEASED: Final = SCHEMAS / "released"


class NoSourceError(Exception):
    """This is not a checkout of the source, which the documents are part of."""


def source() -> Path:
    """The root of the source. Raises :class:`NoSourceError`."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():
        raise NoSourceError("the documents are part of the source: run this in a checkout of Quadrille")
    return root


def schemas() -> dict[str, Schema]:
    """The schema of every message, by the name of its file."""
    return {file_name(kind): document(kind, example(kind)) for kind in MESSAGES.values()}


def released(root: Path) -> dict[str, Schema]:
    """The schemas of the last release, by the names of their files."""
    return {path.name: json.loads(path.read_text()) for path in sorted((root / RELEASED).glob("*.json"))}


def generated(root: Path, choreography: Choreography) -> dict[Path, str]:
    """Every generated file with what it should hold.

    Raises :class:`devstack.reference.examples.ExampleError` and :class:`devstack.reference.diagrams.StoryError`.
    """
    return {
        Path("README.md"): readme.inserted((root / "README.md").read_text(), choreography),
        Path("docs/reference/asyncapi.json"): as_json(asyncapi.build(choreography)),
        Path("docs/reference/choreography.md"): _choreography(choreography),
        Path("docs/reference/commands.md"): catalogue.commands(choreography),
        Path("docs/reference/events.md"): catalogue.events(choreography),
        Path("services/console/choreography.json"): as_json(edges(choreography)),
        **{SCHEMAS / name: as_json(schema) for name, schema in schemas().items()},
        **deploy.generated(root),
    }


def stale(root: Path, choreography: Choreography) -> dict[Path, str | None]:
    """What differs from what is generated: files to write, and files to remove (``None``) that no message has any more."""
    wanted = generated(root, choreography)
    found: dict[Path, str | None] = {
        path: text for path, text in wanted.items() if not (root / path).exists() or (root / path).read_text() != text
    }
    left = [path.relative_to(root) for path in sorted((root / SCHEMAS).glob("*.json"))]
    return found | {path: None for path in left if path not in wanted}


def write(root: Path, files: dict[Path, str | None]) -> None:
    """Write and remove files."""
    for path, text in files.items():
        if text is None:
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)


def as_json(content: Any) -> str:
    """JSON for people to read in a diff."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _choreography(choreography: Choreography) -> str:
    parts = [
        "# The choreography",
        catalogue.NOTE,
        "## The ten steps",
        steps.table(),
        "## Who hears whom",
        "What each event means is in [events.md](events.md); every reaction is in the [README](../../README.md#how-it-works).",
        overview(choreography),
        "Who speaks from outside, who is asked there, and where failures go:",
        surroundings(choreography),
    ]
    for story in STORIES:
        parts += [f"## {story.title}", story.told, sequence(story, choreography)]
    return "\n\n".join(parts) + "\n"
