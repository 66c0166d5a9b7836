"""How dead letters are put together for one commit."""

from services.alerts.failures import Arrival
from services.alerts.keeper import PORTION, PORTION_BYTES, portions


def arrivals(*sizes: int) -> list[Arrival]:
    """Dead letters with values of so many bytes."""
    return [Arrival(0, offset, 0, None, bytes(size), []) for offset, size in enumerate(sizes)]


def test_no_more_than_a_commit_should_hold() -> None:
    given = arrivals(*[1] * (2 * PORTION + 1))
    assert [len(portion) for portion in portions(given)] == [PORTION, PORTION, 1]
    assert [arrival for portion in portions(given) for arrival in portion] == given


def test_large_ones_go_by_themselves() -> None:
    half = PORTION_BYTES // 2
    given = arrivals(half, half, 1, PORTION_BYTES + 1, PORTION_BYTES + 1, 5)
    assert [[arrival.offset for arrival in portion] for portion in portions(given)] == [[0, 1], [2], [3], [4], [5]]


def test_nothing_is_no_commit() -> None:
    assert list(portions([])) == []
