"""What an hour has to look like to count as flat."""

from dataclasses import replace
from typing import Any

import pytest

from proofs.bench.charts import charts
from proofs.bench.endurance import growing
from proofs.bench.samples import Sample

MINUTE = Sample(
    minute=1,
    customers=100,
    confirmed=90,
    p50=100,
    p99=300,
    memory={"cart": 100},
    cpu={"cart": 1},
    inbox={"cart": 10_000},
    inbox_mb={"cart": 2},
    outbox={"cart": 0},
    deadlines={"cart": 500},
    lag={"quadrille.cart": 10},
    machine=10,
)


def test_what_stays_as_it_is_does_not_grow() -> None:
    assert growing([MINUTE] * 60) == []


def test_what_settles_in_the_first_third_does_not_grow() -> None:
    assert (
        growing([replace(MINUTE, memory={"cart": 50 + n}) for n in range(20)] + [replace(MINUTE, memory={"cart": 70})] * 40)
        == []
    )


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({"memory": {"cart": 120.0}}, "memory of cart: 100 in the second third, 120 in the last"),
        ({"inbox": {"cart": 12_000}}, "inbox of cart: 10000 in the second third, 12000 in the last"),
        ({"outbox": {"cart": 300}}, "outbox of cart: 0 in the second third, 300 in the last"),
        ({"deadlines": {"cart": 600}}, "deadlines of cart: 500 in the second third, 600 in the last"),
        ({"lag": {"quadrille.cart": 5_000}}, "lag of quadrille.cart: 10 in the second third, 5000 in the last"),
        ({"p99": 900.0}, "latency p99: 300 in the second third, 900 in the last"),
    ],
)
def test_each_thing_that_grows_is_told(later: dict[str, Any], told: str) -> None:
    assert growing([MINUTE] * 40 + [replace(MINUTE, **later)] * 20) == [told]


def test_few_rows_are_no_growth() -> None:
    assert growing([MINUTE] * 40 + [replace(MINUTE, outbox={"cart": 150})] * 20) == []


def test_the_charts_have_a_point_a_minute_and_name_their_lines() -> None:
    drawn = charts([replace(MINUTE, minute=n + 1, p99=300 + n) for n in range(120)])
    assert drawn.count("```mermaid\nxychart-beta\n") == 4
    assert f"line [{', '.join(str(300 + n) for n in range(0, 120, 2))}]" in drawn
    assert 'y-axis "ms" 0 --> 460' in drawn
    assert "Lines: p50, p99." in drawn
