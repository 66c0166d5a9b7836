"""The list of where nothing leads is of reactions and states that there are."""

from proofs.simulation.places import NEVER, TIMED, states
from proofs.simulation.wiring import wiring
from shared.contract.services import SERVICES

REACTIONS = {
    wired.name: wired for known in map(wiring, SERVICES) for wired in (*known.by_trigger.values(), *known.timers.values())
}


def test_it_names_reactions_and_states_that_there_are() -> None:
    for name, left_out in (*NEVER.items(), *TIMED.items()):
        assert set(left_out) < set(states(REACTIONS[name])), name


def test_each_deadline_has_the_states_it_can_strike_in() -> None:
    deadlines = {wired.name for known in map(wiring, SERVICES) for wired in known.timers.values()}
    assert deadlines <= TIMED.keys()
