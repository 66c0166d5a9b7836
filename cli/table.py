"""Tables that never shorten a name: as wide as the terminal, or plain columns in a pipe."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich import box
from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import measure_renderables
from rich.table import Table as RichTable
from rich.text import Text

from shared.contract.text import plain

Cell = str | Text | Bar
"""Text with rich's markup, text without, or a picture."""
GAP: Final = 2
"""Spaces between columns."""


@dataclass(frozen=True)
class Column:
    """``drop``: if the table is too wide, the column with the highest ``drop`` is left out first; 0 is never left out.

    ``min_width``: text may wrap to this many characters. ``merge``: a terminal shows a repeated value only in its first row.
    ``graphic``: left out of a pipe.
    """

    name: str
    right: bool = False
    drop: int = 0
    min_width: int | None = None
    merge: bool = False
    graphic: bool = False


def number(name: str, drop: int = 0) -> Column:
    """A column of numbers."""
    return Column(name, right=True, drop=drop)


def text(name: str, min_width: int = 20, drop: int = 0) -> Column:
    """A column of sentences, which may wrap."""
    return Column(name, min_width=min_width, drop=drop)


class Table:
    """Rows and columns; a plain column may be given by its name."""

    def __init__(self, *columns: Column | str, title: str = "", header: bool = True) -> None:
        self.columns = [Column(column) if isinstance(column, str) else column for column in columns]
        self.title, self.caption, self._header = title, "", header
        self.rows: list[list[Text | Bar]] = []

    def add_row(self, *cells: Cell) -> None:
        """Add a row. Raises ``ValueError`` unless it has one cell per column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append([cell if isinstance(cell, Bar) else _shown(cell) for cell in cells])

    def print(self, console: Console) -> None:
        """Print it, fitted to a terminal's width, or as columns at least two spaces apart in a pipe."""
        if console.is_terminal:
            console.print(self)
            return
        for line in self._plain(console):
            console.print(Text(line), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [self._natural(console, options, index) for index in range(len(self.columns))]
        kept, left_out = self._fitting(
            [min(width, column.min_width or width) for width, column in zip(widths, self.columns, strict=True)],
            options.max_width,
        )
        room = options.max_width - GAP * (len(kept) - 1)
        tight = sum(min(widths[index], self.columns[index].min_width or widths[index]) for index in kept) > room
        made = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), show_header=self._header)
        made.title = self.title or None
        for index in kept:
            column = self.columns[index]
            wraps = column.min_width is not None or (tight and not column.right)
            made.add_column(column.name, justify="right" if column.right else "left", no_wrap=not wraps, overflow="fold")
        for row in self._without_repeats():
            made.add_row(*(row[index] for index in kept))
        yield made
        if any(left_out):
            yield Text(
                f"Left out: {', '.join(filter(None, left_out))}. Use a wider terminal, a pipe or --json to see all.", "dim"
            )
        if self.caption:
            yield Text(self.caption, "dim")

    def _natural(self, console: Console, options: ConsoleOptions, index: int) -> int:
        cells = [self.columns[index].name, *(row[index] for row in self.rows)]
        return measure_renderables(console, options.update(max_width=10_000), cells).maximum

    def _fitting(self, widths: Sequence[int], room: int) -> tuple[list[int], list[str]]:
        """The indices of the columns that fit, and the names of the others."""
        kept = list(range(len(self.columns)))
        while sum(widths[index] for index in kept) + GAP * (len(kept) - 1) > room:
            worst = max(self.columns[index].drop for index in kept)
            if not worst:
                break
            kept = [index for index in kept if self.columns[index].drop < worst]
        return kept, [column.name for index, column in enumerate(self.columns) if index not in kept]

    def _without_repeats(self) -> Iterable[list[Text | Bar]]:
        last: list[Text | Bar] = []
        for row in self.rows:
            cells = list(row)
            for index, column in enumerate(self.columns):
                if not column.merge or not last or row[index] != last[index]:
                    break
                cells[index] = Text()
            yield cells
            last = row

    def _plain(self, console: Console) -> Iterable[str]:
        columns = [(index, column) for index, column in enumerate(self.columns) if not column.graphic]
        rows = [[column.name for _, column in columns]] if self._header else []
        rows += [[_text(row[index]) or "-" for index, _ in columns] for row in self.rows]
        widths = [0] * len(self.columns)
        for place, (index, _) in enumerate(columns):
            widths[index] = max((cell_len(row[place]) for row in rows), default=0)
        kept, _ = self._fitting(widths, console.width)
        if self.title:
            yield self.title
        for row in rows:
            cells = []
            for (index, column), cell in zip(columns, row, strict=True):
                if index in kept:
                    space = " " * (widths[index] - cell_len(cell))
                    cells.append(space + cell if column.right else cell + space)
            yield (" " * GAP).join(cells).rstrip()
        if self.caption:
            yield self.caption


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """A table of names and values, without empty values."""
    made = Table("", text(""), header=False)
    for name, value in pairs:
        if value:
            made.add_row(name, Text(str(value)))
    return made


def age(at: datetime | None, now: datetime) -> str:
    """The time since ``at`` in its largest unit: ``3d``, ``2h``, ``5m`` or ``7s``."""
    if at is None:
        return ""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def page_line(noun: str, shown: int, total: int, page: int) -> str:
    """How many rows this page shows of how many, and how to see the next page."""
    nouns = f"{total:,} {noun}{'' if total == 1 else 's'}"
    if shown == total:
        return nouns
    if not shown:
        return f"Page {page} is empty: {nouns} in all"
    return f"{shown:,} of {nouns}, page {page}; next page: --page {page + 1}"


def _shown(cell: str | Text) -> Text:
    """A cell without control characters, which could change the table or the terminal."""
    made = cell.copy() if isinstance(cell, Text) else Text.from_markup(cell, emoji=False)
    made.plain = "\n".join(map(plain, made.plain.split("\n")))
    return made


def _text(cell: Text | Bar) -> str:
    return "" if isinstance(cell, Bar) else " ".join(cell.plain.split("\n"))
