"""A story as a picture: every entry a row, and a line from every cause to its effect."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from services.console.swimlanes import LANES, Row, picture, strip
from services.journal.rendering import rows
from tests.support import stories
from tests.unit.console.helpers import recorded, trace


def lines_at(row: Row, height: float) -> set[float]:
    """Where lines cross a row's upper (0) or lower (1) edge."""
    found = set()
    for path in row.paths:
        ends = [tuple(map(float, end.split()[-2:])) for end in re.split("[A-Z]", path)[1:]]
        found |= {x for x, y in ends if y == height}
    return found


@pytest.mark.parametrize("name", stories.names())
def test_every_entry_is_a_row_in_order_of_time(name: str) -> None:
    found = trace(stories.load(name).entries)
    drawn = picture(found)
    assert len(drawn) == len(rows(found)) == len(strip(found))
    assert [row.moment for row in drawn] == sorted(row.moment for row in drawn)
    assert all(0 <= row.lane < len(LANES) for row in drawn)
    assert all(0 <= dot.x <= 100 for dot in strip(found))


@pytest.mark.parametrize("name", stories.names())
def test_a_line_continues_in_the_next_row(name: str) -> None:
    drawn = picture(trace(stories.load(name).entries))
    for upper, lower in pairwise(drawn):
        assert lines_at(upper, 1.0) == lines_at(lower, 0.0)
    assert lines_at(drawn[0], 0.0) == lines_at(drawn[-1], 1.0) == set()


def test_a_line_connects_cause_and_effect() -> None:
    drawn = picture(recorded("voided"))
    by_title = {row.title: row for row in drawn}
    failed, cancelled = by_title["CaptureFailed"], by_title["OrderCancelled"]
    assert (LANES[failed.lane], LANES[cancelled.lane]) == ("payment", "order")
    assert any(
        path.startswith(f"M{failed.lane + 0.5} .5C") and path.endswith(f"{cancelled.lane + 0.5} 1") for path in failed.paths
    )
    assert f"M{cancelled.lane + 0.5} 0L{cancelled.lane + 0.5} .5" in cancelled.paths
    assert (failed.mark, cancelled.mark) == ("failed", "undone")


def test_clients_have_the_first_lane() -> None:
    assert {row.lane for row in picture(recorded("paid")) if row.title == "ConfirmCheckout"} == {0}


def test_lines_in_one_lane_are_drawn_once() -> None:
    """However many effects one cause has: what is drawn is not their number times that of the rows."""
    begun = next(e for e in stories.load("paid").entries if e.message_id)
    effects = [replace(begun, offset=begun.offset + n, message_id=f"m{n}", cause=begun.message_id) for n in range(1, 300)]
    drawn = picture(trace([begun, *effects]))
    assert len(drawn) == 300
    assert max(len(row.paths) for row in drawn[1:]) <= 3
