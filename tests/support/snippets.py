"""The snippets of the documents, as a reader would copy them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`(quadrille [^`]+)`")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)

PERSON: Final = {
    "make": "takes minutes, or stays",
    "source": "is for the shell of a person",
    "quadrille chaos": "takes minutes, on a stack of its own",
    "quadrille lag --watch": "stays",
    "quadrille simulate": "takes minutes",
    "quadrille up": "stays",
    "python -m": "takes minutes, or an hour",
}
"""Commands that only a person runs, and why: of these it is tested that they can be read as they are written."""


@dataclass(frozen=True)
class Snippet:
    """A block of a document. ``heading``: the one it stands under."""

    file: str
    language: str
    text: str
    heading: str

    @property
    def commands(self) -> list[str]:
        """What is to be typed, of a block of a console."""
        lines = self.text.splitlines() if self.language == "console" else []
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]

    @property
    def is_program(self) -> bool:
        """Whether a block in Python runs as it stands; any other shows a part of the source."""
        return self.language == "python" and "asyncio.run(" in self.text


def documents() -> list[Path]:
    """Every document."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def snippets(*languages: str) -> list[Snippet]:
    """Every block in one of these languages, or in any."""
    found = [snippet for path in documents() for snippet in _read(path)]
    return [snippet for snippet in found if not languages or snippet.language in languages]


def commands_in_text() -> list[str]:
    """The commands of ours that stand within the text of the guides."""
    pages = (ROOT / "docs").glob("*.md")
    return sorted({found for path in pages for found in _INLINE.findall(_BLOCK.sub("", path.read_text()))})


def is_for_a_person(command: str) -> bool:
    """Whether a command is one of :data:`PERSON`."""
    return any(command == start or command.startswith(f"{start} ") for start in PERSON)


def parts(command: str) -> list[list[str]]:
    """The words of each command of a line: ``|`` is between them, and a comment is none."""
    words: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word == "|":
            words.append([])
        else:
            words[-1].append(word)
    return words


def _read(path: Path) -> Iterator[Snippet]:
    text = path.read_text()
    for block in _BLOCK.finditer(text):
        above = [found[1] for found in _HEADING.finditer(text, 0, block.start())]
        yield Snippet(str(path.relative_to(ROOT)), block[1], block[2], above[-1] if above else "")
