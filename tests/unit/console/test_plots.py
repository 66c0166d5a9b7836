"""Lines over time."""

from hypothesis import given
from hypothesis import strategies as st

from services.console.plots import HEIGHT, TOP, WIDTH, ceiling, plot


@given(st.floats(min_value=0, max_value=1e12))
def test_the_ceiling_is_round_and_close_to_the_highest_value(value: float) -> None:
    top = ceiling(value)
    assert value <= top <= max(1.0, 2 * value)
    assert len(str(int(top)).rstrip("0")) <= 1


def test_a_plot_maps_time_to_x_and_values_to_y() -> None:
    made = plot([(0.0, 0.0), (50.0, 10.0), (100.0, 5.0)], 0.0, 100.0)
    assert made.line == f"M0.0 {HEIGHT:.1f}L{WIDTH / 2:.1f} {TOP:.1f}L{WIDTH:.1f} {(HEIGHT + TOP) / 2:.1f}"
    assert made.area.endswith("Z")
    assert made.top == 10.0


def test_no_values_make_no_line() -> None:
    assert plot([], 0.0, 100.0).line == ""
    assert plot([(5.0, 1.0)], 10.0, 20.0).line == "", "it is older than what is shown"
