"""Tests that leave a gap: nothing weighs just as much as is light."""

from proofs.tests.mutation.parcel import postage


def test_a_letter() -> None:
    assert postage(20) == 200


def test_a_parcel() -> None:
    assert postage(501) == 450
