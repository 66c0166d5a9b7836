"""``quadrille docs``: write the documents, check them, release the schemas."""

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.shell import REFUSED, WRONG, Json

WAY_OUT = (
    "Take the change back, or give the message a new version and keep the old one beside it for as long as anybody sends"
    " or reads it."
)

app = typer.Typer(
    no_args_is_help=True,
    help="Generate and check the reference documents.",
    epilog="Example: quadrille docs write",
)


@app.command(epilog="Example: quadrille docs write")
def write() -> None:
    """Write the generated documents and JSON Schemas."""
    from devstack.reference import pages

    root, outdated = _outdated()
    pages.write(root, outdated)
    for path, text in outdated.items():
        typer.echo(f"{'wrote' if text is not None else 'removed'} {path}")
    typer.echo("Everything was current" if not outdated else f"{len(outdated)} files changed")


@app.command(epilog="Example: quadrille docs check")
def check(as_json: Json = False) -> None:
    """Check that documents are current and schemas compatible.

    Exit code 1 if a document is outdated or a message breaks readers of its released schema.
    """
    from devstack.reference import compatibility, pages

    root, outdated = _outdated()
    current, released = pages.schemas(), pages.released(root)
    found = compatibility.breaks(released, current)
    unreleased = sorted(current.keys() - released.keys())
    if as_json:
        outcome = {"outdated": [str(path) for path in outdated], "breaks": found, "unreleased": unreleased}
        typer.echo(json.dumps(outcome, indent=2))
    else:
        for path in outdated:
            typer.echo(f"{path} is outdated: run `quadrille docs write`")
        _name(found)
        typer.echo(f"{len(outdated)} documents outdated, {len(found)} breaks, {len(unreleased)} messages not released yet")
    if outdated or found:
        raise typer.Exit(WRONG)


@app.command(epilog="Example: quadrille docs release")
def release(
    accept_breaks: Annotated[bool, typer.Option("--accept-breaks", help="Freeze them even if they break readers.")] = False,
) -> None:
    """Freeze the current schemas as released.

    Exit code 1, and nothing is written, if a message would break readers of the released schemas.
    """
    from devstack.reference import compatibility, pages

    root, _ = _outdated()
    current, released = pages.schemas(), pages.released(root)
    found = compatibility.breaks(released, current)
    _name(found)
    if found and not accept_breaks:
        raise typer.Exit(WRONG)
    changed: dict[Path, str | None] = {
        pages.RELEASED / name: pages.as_json(schema) for name, schema in current.items() if released.get(name) != schema
    }
    changed |= {pages.RELEASED / name: None for name in released.keys() - current.keys()}
    pages.write(root, changed)
    typer.echo(f"{len(current)} messages are released; {len(changed)} files changed")


def _name(breaks: list[str]) -> None:
    for sentence in breaks:
        typer.echo(sentence)
    if breaks:
        typer.echo(WAY_OUT)


def _outdated() -> tuple[Path, dict[Path, str | None]]:
    from devstack.reference import choreography, pages
    from devstack.reference.diagrams import StoryError
    from devstack.reference.examples import ExampleError

    try:
        root = pages.source()
        return root, pages.stale(root, choreography.load())
    except (pages.NoSourceError, StoryError, ExampleError) as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    sys.stderr.write(f"{error}\n")
    raise typer.Exit(REFUSED)
