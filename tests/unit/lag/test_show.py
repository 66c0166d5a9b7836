"""What is shown of the lag, and the limit of a check."""

import io
import json
import re
from math import inf

import pytest
from rich.console import Console

from cli.lag import limits, report, show
from cli.lag.limits import Limit
from cli.table import Table
from shared.lag.model import Group, Position, Snapshot

GROUP = Group(
    "orders",
    "Stable",
    2,
    {
        ("a", 0): Position(5, 9, 0, 12.5),
        ("a", 1): Position(9, 9, 0),
        ("b", 0): Position(None, 3, 0, None),
    },
)
LOOKS = [Snapshot(at, {"orders": GROUP}, unread={"secret": "GroupAuthorizationFailedError()"}) for at in (100.0, 110.0)]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1000", Limit(records=1000)),
        ("0", Limit(records=0)),
        ("30s", Limit(seconds=30)),
        ("1.5m", Limit(seconds=90)),
        ("1h", Limit(seconds=3600)),
    ],
)
def test_a_limit_is_records_or_a_time(text: str, limit: Limit) -> None:
    assert limits.parse(text) == limit


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "30 s", "10d"])
def test_an_invalid_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number of records"):
        limits.parse(text)


def test_who_is_above_the_limit_is_named() -> None:
    assert Limit(records=4).exceeded([GROUP]) == []
    assert Limit(records=3).exceeded([GROUP]) == ["orders is 4 records behind; the limit is 3"]
    assert Limit(seconds=12.5).exceeded([GROUP]) == []
    assert Limit(seconds=12).exceeded([GROUP]) == ["orders is 12.5 s behind; the limit is 12 s"]


def test_a_time_that_cannot_be_read_is_not_within_the_limit() -> None:
    unknown = Group("orders", "Stable", 1, {("t", 0): Position(1, 5, 0, age=None)})
    assert Limit(records=4).exceeded([unknown]) == []
    assert Limit(seconds=60).exceeded([unknown]) == ["the age of the lag of orders is unknown; the limit is 60 s"]


@pytest.mark.parametrize(
    ("values", "bars"),
    [([], ""), ([0, 0], "▁▁"), ([0, 50, 100], "▁▅█"), ([7], "█"), ([1, 1000], "▁█")],
)
def test_a_sparkline_has_a_bar_for_each_value(values: list[int], bars: str) -> None:
    assert show.sparkline(values) == bars


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (inf, "never"), (0.0, "0.0 s"), (119.0, "119.0 s"), (150.0, "2 min"), (7300.0, "2 h"), (200_000.0, "2 d")],
)
def test_a_duration_is_in_the_unit_one_thinks_of_it_in(seconds: float | None, words: str) -> None:
    assert show.duration(seconds) == words


def written(table: Table, width: int = 200, *, terminal: bool = False) -> str:
    """What is written to a pipe, or to a terminal of this width."""
    file = io.StringIO()
    table.print(Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return file.getvalue()


def test_the_table_shows_topics_and_the_partitions_that_are_behind() -> None:
    header, *rows = [re.split("  +", line.strip()) for line in written(show.table(LOOKS, every_partition=False)).splitlines()]
    assert header[:7] == ["group", "topic", "partition", "current", "end", "lag", "oldest"]
    assert [row[:8] for row in rows] == [
        ["orders", "a", "all 2", "14", "18", "4", "12.5 s", "0.0"],
        ["orders", "a", "0", "5", "9", "4", "12.5 s", "0.0"],
        ["orders", "b", "all 1", "–", "3", "–", "–", "0.0"],
    ]
    assert rows[1][-2:] == ["never", "STALL has lag, but its offset does not move"]
    assert len(written(show.table(LOOKS, every_partition=True)).splitlines()) == len(rows) + 1 + 2


def test_at_80_columns_the_names_are_whole() -> None:
    group = Group("quadrille.inventory", "Stable", 1, {("inventory.commands", 3): Position(10**6, 10**7, 0, 900.0)})
    looks = [Snapshot(at, {group.name: group}) for at in (100.0, 110.0)]
    shown = written(show.table(looks, every_partition=True), 80, terminal=True)
    assert max(map(len, shown.splitlines())) <= 80
    for name in ("quadrille.inventory", "inventory.commands", "9000000", "15 min", "STALL"):
        assert name in shown
    assert shown.count("quadrille.inventory") == 1, "it is not said again for its partition"
    assert "Left out: current, end, in/s, out/s, catch-up." in shown


def test_the_live_table_keeps_those_furthest_behind_where_there_is_no_room() -> None:
    shown = written(show.live(LOOKS, LOOKS, rows=1), terminal=True)
    assert "▇▇" in shown or "██" in shown
    assert "1 more row does not fit" in shown


def test_the_table_says_what_is_unknown() -> None:
    never, refused = show.notes(LOOKS[-1])
    assert "orders never committed an offset for b/0" in never
    assert "secret could not be read" in refused


def test_json_has_every_partition_and_nothing_programs_cannot_read() -> None:
    (group,) = json.loads(json.dumps(report.as_json(LOOKS), allow_nan=False))["groups"]
    assert (group["lag"], group["age_seconds"], group["members"], group["status"]) == (4, 12.5, 2, "STALL")
    assert group["never_committed"] == [["b", 0]]
    assert [(p["topic"], p["partition"], p["lag"]) for p in group["partitions"]] == [("a", 0, 4), ("a", 1, 0), ("b", 0, -1)]
    assert group["partitions"][0]["catch_up_seconds"] is None


@pytest.mark.parametrize("name", ["[/]", "[link=http://evil]x[/]", "x\x1b]0;pwned\x07\x1b[2J"])
def test_a_group_s_name_changes_neither_the_table_nor_the_terminal(name: str) -> None:
    group = Group(name, "Stable", 1, {(name, 0): Position(None, 5, 0)})
    looks = [Snapshot(at, {name: group}, unread={name: name}) for at in (100.0, 110.0)]
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=True, color_system=None)
    show.table(looks, every_partition=True).print(console)
    show.live(looks, looks, 10).print(console)
    for note in show.notes(looks[-1]):
        console.print(note, markup=False)
    told = file.getvalue()
    assert name.replace("\x1b", "�").replace("\x07", "�") in told
    assert "\x1b" not in told
