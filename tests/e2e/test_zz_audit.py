"""After everything the other tests did, no invariant is broken."""

from cli.audit import audit
from tests.support.system import System


async def test_no_invariant_is_broken(quadrille: System) -> None:
    report = await audit(quadrille.settings, patience=60)
    assert report.checkouts > 0
    assert report.violations == []
