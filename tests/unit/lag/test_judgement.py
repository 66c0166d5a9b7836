"""How groups are judged: Burrow's rules, on snapshots."""

from collections.abc import Sequence
from math import inf

import pytest

from shared.lag.judgement import Status, Trend, judge, total, trend, worst
from shared.lag.model import NEVER, Group, Position, Snapshot
from shared.lag.window import Window


def window(*offsets: tuple[int | None, int], assigned: bool | None = True) -> list[Position]:
    """Positions from (current, end), the oldest first."""
    return [Position(current, end, 0, assigned=assigned) for current, end in offsets]


@pytest.mark.parametrize(
    ("offsets", "status"),
    [
        ([(5, 5), (5, 5)], Status.OK),
        ([(5, 9), (9, 9)], Status.OK),
        ([(5, 5), (5, 9), (5, 12)], Status.OK),  # it had nothing to do at one look: not stalled yet
        ([(5, 20), (9, 20), (15, 20)], Status.OK),
        ([(5, 20), (6, 24), (8, 30)], Status.WARN),
        ([(5, 20), (9, 24), (10, 25)], Status.WARN),  # it moves, but the lag does not shrink
        ([(5, 20), (9, 22), (10, 25)], Status.OK),  # it fell once
        ([(5, 20), (5, 20), (5, 20)], Status.STALL),
        ([(5, 20), (5, 25), (5, 30)], Status.STALL),
        ([(9, 20), (5, 20), (7, 20)], Status.REWIND),
        ([(20, 20), (0, 20), (20, 20)], Status.REWIND),  # caught up again, but it was processed twice
        ([(7, 20)], None),
        ([(20, 20)], Status.OK),
    ],
)
def test_a_partition_is_judged_as_burrow_does(offsets: list[tuple[int, int]], status: Status | None) -> None:
    assert judge(window(*offsets)) == status


def test_a_partition_without_a_member_stops() -> None:
    still = [(5, 20), (5, 21), (5, 22)]
    assert judge(window(*still, assigned=False)) is Status.STOP
    assert judge(window(*still, assigned=None)) is Status.STALL, "the broker does not say who has it"
    assert judge(window((5, 20), (9, 21), (15, 22), assigned=False)) is Status.OK, "somebody reads it without the group"


def test_a_group_that_never_committed_stalls_only_by_what_came_since_it_has_a_member() -> None:
    assert judge(window((None, 20), (None, 20), (None, 20))) is Status.OK, "these may be none of its business"
    assert judge(window((None, 20), (None, 25), (None, 25))) is Status.STALL
    assert judge(window((None, 20), (None, 20), (None, 25))) is Status.OK, "that has just come"
    assert judge(window((None, 20), (None, 25), (None, 25), assigned=False)) is Status.OK


def test_an_uncommitted_partition_counts_in_no_sum() -> None:
    never, behind = Position(None, 9, 0, None), Position(2, 9, 0, 3.5)
    group = Group("g", "Stable", 1, {("t", 0): never, ("t", 1): behind})
    assert never.lag == NEVER
    assert group.lag == behind.lag == 7
    assert group.age == 3.5
    assert group.never_committed == [("t", 0)]


def test_a_lower_end_leaves_no_negative_lag() -> None:
    assert Position(9, 4, 0).lag == 0


def snapshots(*offsets: tuple[float, int | None, int]) -> list[Snapshot]:
    """Snapshots of one partition from (at, current, end)."""
    return [Snapshot(at, {"g": Group("g", "Stable", 1, {("t", 0): Position(current, end, 0)})}) for at, current, end in offsets]


def test_rates_are_records_a_second_over_the_window() -> None:
    found = trend(snapshots((100, 10, 50), (105, 20, 60), (110, 60, 70)), "g", ("t", 0))
    assert (found.rate_in, found.rate_out) == (2.0, 5.0)
    assert found.catch_up(10) == pytest.approx(10 / 3)


def test_a_group_that_appears_in_the_middle_is_judged_by_what_was_seen_of_it() -> None:
    before = Snapshot(90, {})
    found = trend([before, *snapshots((100, 10, 50), (110, 20, 60))], "g", ("t", 0))
    assert found.rate_out == 1.0
    assert trend([before], "g", ("t", 0)) == Trend(None, None, None)


@pytest.mark.parametrize(
    ("rate_in", "rate_out", "lag", "seconds"),
    [(1.0, 3.0, 10, 5.0), (3.0, 3.0, 10, inf), (3.0, -2.0, 10, inf), (3.0, 1.0, 0, 0.0), (None, None, 10, None)],
)
def test_the_time_to_catch_up(rate_in: float | None, rate_out: float | None, lag: int, seconds: float | None) -> None:
    assert Trend(None, rate_in, rate_out).catch_up(lag) == seconds


def test_a_group_is_as_bad_as_its_worst_partition() -> None:
    assert worst([Status.OK, Status.STOP, Status.WARN, None]) is Status.STOP
    assert worst([None]) is None
    both = total([Trend(Status.WARN, 1.0, 2.0), Trend(Status.OK, 3.0, None)])
    assert both == Trend(Status.WARN, 4.0, 2.0)


def kept(*all_: Snapshot, size: int) -> Window:
    made = Window(size)
    for snapshot in all_:
        made.add(snapshot)
    return made


def test_a_window_judges_when_it_is_full() -> None:
    looks: Sequence[Snapshot] = snapshots((1, 5, 9), (2, 5, 9), (3, 5, 9), (4, 6, 6))
    assert kept(*looks[:2], size=3).statuses() == {"g": None}
    assert kept(*looks[:3], size=3).statuses() == {"g": Status.STALL}
    assert kept(*looks, size=3).statuses() == {"g": Status.OK}
    assert kept(size=3).statuses() == {}


def test_records_behind_an_open_transaction_are_lag_but_no_stall() -> None:
    held = [Position(5, end, 0, stable=5) for end in (9, 9, 12)]
    assert (held[-1].lag, held[-1].readable) == (7, 0)
    assert judge(held) is Status.HELD
    assert judge(held[-1:]) is None
    assert judge([Position(5, 9, 0, stable=5), Position(6, 9, 0, stable=6)]) is Status.OK, "transactions follow each other"
    assert judge([Position(5, 9, 0, stable=8)] * 3) is Status.STALL, "three of them could be read"
