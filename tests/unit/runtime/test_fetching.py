"""A consumer whose poll raised is idle when nobody polls it."""

import pytest

from shared.runtime.kafka.patches.fetching import Subscriptions


def poll(subscriptions: Subscriptions) -> None:
    """A poll that raises."""
    with subscriptions.fetch_context():
        assert subscriptions.fetcher_idle_time == 0
        raise ValueError("out of range")


async def test_a_poll_that_raised_is_over() -> None:
    subscriptions = Subscriptions()
    subscriptions._last_fetch_ended -= 100
    assert subscriptions.fetcher_idle_time >= 100
    with pytest.raises(ValueError, match="out of range"):
        poll(subscriptions)
    assert 0 < subscriptions.fetcher_idle_time < 100
