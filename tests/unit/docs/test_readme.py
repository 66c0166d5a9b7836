"""The README shows the choreography as the code has it."""

from cli import docs


def test_the_diagram_is_current() -> None:
    readme = docs.README.read_text()
    assert readme == docs.inserted(readme), "run `make docs`"


def test_nothing_is_awaited_that_nobody_sends() -> None:
    assert docs.unheard() == set()
