"""From a story that breaks something to a short one that still breaks the same."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from proofs.simulation.story import Action, Amid, ByHand, Go, Send, Story
from proofs.simulation.watch import BrokenError
from shared.contract.values import cart_of

DICE = 4
"""With so many other throws of the dice a shorter story is tried: what is left out changes all that follows."""


def broken_by(story: Story) -> Exception | None:
    """What goes wrong in a story, if anything."""
    try:
        story.play()
    except Exception as error:
        return error
    return None


def shrink(story: Story, patience: int = 4000) -> tuple[Story, Exception]:
    """The shortest found in which the same goes wrong, and what that is. ``patience``: how many stories are tried.

    Raises :class:`ValueError` where nothing goes wrong.
    """
    error = broken_by(story)
    if error is None:
        raise ValueError(f"nothing goes wrong in story {story.seed}")
    return _Shrinking(story, error, patience).shrunk()


class _Shrinking:
    def __init__(self, story: Story, error: Exception, patience: int) -> None:
        self.story, self.error, self.patience = story, error, patience

    def shrunk(self) -> tuple[Story, Exception]:
        for simpler in _simpler(self.story):
            self._try(simpler)
        size = len(self.story.actions) // 2
        while size and self.patience:
            if not self._without_some(size):
                size //= 2
        for simpler in _shorter_walks(self.story):
            self._try(simpler)
        return self.story, self.error

    def _without_some(self, size: int) -> bool:
        """Leave out ``size`` actions in a row, wherever that goes; returns whether it went anywhere."""
        shorter, start = False, len(self.story.actions) - size
        while start > -size and self.patience:
            actions = self.story.actions
            first = max(0, start)
            if self._try(replace(self.story, actions=(*actions[:first], *actions[start + size :]))):
                shorter = True
            start -= size
        return shorter

    def _try(self, simpler: Story) -> bool:
        for throw in range(DICE):
            if not self.patience:
                return False
            self.patience -= 1
            story = replace(simpler, seed=simpler.seed + throw * 1_000_003)
            error = broken_by(story)
            if error is not None and _same(error, self.error):
                self.story, self.error = story, error
                return True
        return False


def _same(error: Exception, other: Exception) -> bool:
    if isinstance(error, BrokenError) and isinstance(other, BrokenError):
        return error.law == other.law
    return type(error) is type(other)


def _simpler(story: Story) -> Iterator[Story]:
    """Without each cart, and with a gateway that never fails."""
    yield replace(story, faults=(0.0, ()))
    for cart in sorted({name for action in story.actions if (name := _cart(action))}):
        yield replace(story, actions=tuple(action for action in story.actions if _cart(action) != cart))


def _cart(action: Action) -> str | None:
    if isinstance(action, Amid):
        return cart_of(action.checkout_id)
    if isinstance(action, Send | ByHand):
        message = action.message if isinstance(action, Send) else action.command
        return getattr(message, "cart_id", None)
    return None


def _shorter_walks(story: Story) -> Iterator[Story]:
    for place, action in enumerate(story.actions):
        if isinstance(action, Go):
            for steps in (1, action.steps // 2):
                if 0 < steps < action.steps:
                    yield _with(story, place, Go(steps))


def _with(story: Story, place: int, action: Action) -> Story:
    actions: Sequence[Action] = story.actions
    return replace(story, actions=(*actions[:place], action, *actions[place + 1 :]))
