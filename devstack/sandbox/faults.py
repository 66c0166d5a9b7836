"""Faults by rate, for load tests: seeded, so that the same requests meet the same faults in every run."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from devstack.sandbox.tokens import MAX_SECONDS, Behaviour, Kind, Operation

RATES: Final[tuple[Kind, ...]] = (
    "rate_limit", "unavailable", "slow", "timeout_before", "error", "decline", "timeout_after",
)  # fmt: skip
"""What may happen by rate. Declines meet authorizations only; the others any operation."""
DEFAULT_SLOW_SECONDS: Final = 1.0


class FaultsError(ValueError):
    """The faults asked for cannot be read; the message says which and how to write them."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The rates (0 to 1) of each fault, and the seed that decides which requests they meet."""

    rates: dict[Kind, float] = field(default_factory=dict)
    slow_seconds: float = DEFAULT_SLOW_SECONDS
    seed: int = 0

    def __bool__(self) -> bool:
        return any(self.rates.values())

    def draw(self, operation: Operation, key: str, attempt: int) -> list[Behaviour]:
        """The faults of the request that is the ``attempt``-th (from 0) with this idempotency key.

        A pure function of seed, key and attempt: it depends on no other request, and on no order between them.
        """
        return [
            Behaviour(kind, operation, seconds=self.slow_seconds if kind == "slow" else 0.0)
            for kind, rate in self.rates.items()
            if (kind != "decline" or operation == "authorize") and self._chance(kind, key, attempt) < rate
        ]

    def _chance(self, kind: Kind, key: str, attempt: int) -> float:
        digest = blake2b(f"{self.seed} {kind} {attempt} {key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64


def parse(text: str, seed: int = 0) -> Faults:
    """Read ``"timeout_after=0.01,error=0.02,slow=0.05:0.5"``: rates from 0 to 1; for ``slow`` also seconds.

    Raises :class:`FaultsError` for a fault nobody knows, a rate or a wait out of range, or one named twice.
    """
    rates: dict[Kind, float] = {}
    slow_seconds = DEFAULT_SLOW_SECONDS
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        kind = next((kind for kind in RATES if kind == name), None)
        if kind is None or kind in rates:
            raise FaultsError(f"the fault {name!r} is unknown or named twice; there are {', '.join(RATES)}")
        rate, _, seconds = value.partition(":")
        rates[kind] = _number(part, rate, 1.0)
        if seconds:
            if kind != "slow":
                raise FaultsError(f"{part!r}: only slow takes seconds")
            slow_seconds = _number(part, seconds, MAX_SECONDS)
    return Faults(rates, slow_seconds, seed)


def _number(part: str, text: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise FaultsError(f"{part!r}: write name=rate, the rate from 0 to 1 (slow=rate:seconds)")
    return number
