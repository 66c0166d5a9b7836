"""Twenty thousand checkouts, with everything that can go wrong: whatever happens, the invariants hold."""

import os

from proofs.simulation.run import run

CHECKOUTS = 20_000
TOO_RARE = {
    "order: ReservationLost",
    "order: PreviewRequested",
    "inventory: CheckoutChanged",
    "cart: ReservationChangeRejected",
}
"""Redrives the million has, and twenty thousand may not."""


def test_whatever_happens_the_invariants_hold_and_everything_happens() -> None:
    result = run(CHECKOUTS, jobs=os.cpu_count() or 1)
    failure, coverage = result.failure, result.coverage
    assert failure is None, "\n".join((f"story {failure.seed}: {failure.wrong}", *failure.lines))
    assert coverage.checkouts >= CHECKOUTS
    assert coverage.unforeseen() == []
    never = coverage.unreached()
    assert never["races"] == []
    assert never["faults"] == []
    assert set(never["redrives"]) <= TOO_RARE
