"""Test tokens: payment methods whose names say what they do.

The grammar is ``tok_<behaviour>[_<operation>][_<argument>]``; several behaviours are joined by ``+``, as in
``tok_decline_capture+refuse_void_forever``. :data:`RULES` is the one table that the parser, ``--help`` and the README
come from.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

Operation = Literal["authorize", "capture", "void", "refund"]
Kind = Literal[
    "approve",
    "rate_limit",
    "unavailable",
    "page",
    "slow",
    "timeout_before",
    "error",
    "decline",
    "soft_decline",
    "refuse",
    "foreign",
    "challenge",
    "processing",
    "part",
    "pending",
    "failing",
    "answer",
    "timeout_after",
]
Argument = Literal["none", "reason", "count", "seconds", "amount", "status"]

OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
DECLINES: Final[dict[str, str]] = {
    "generic_decline": "The card was declined.",
    "insufficient_funds": "The card has insufficient funds.",
    "expired_card": "The card has expired.",
    "do_not_honor": "The bank declined the payment and does not say why.",
    "lost_card": "The card was declined.",
    "stolen_card": "The card was declined.",
    "fraudulent": "The card was declined.",
}
"""Reasons a card may be declined for, and the sentence a customer may see (it never accuses them)."""
MAX_SECONDS: Final = 600.0


class UnknownTokenError(ValueError):
    """The token is not one the sandbox knows; the message says which part of it and where the table is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: a behaviour, where it may apply, and what follows its name."""

    kind: Kind
    operations: tuple[Operation, ...]
    argument: Argument
    meaning: str
    operation_needed: bool = False
    default_count: int | None = 1
    """How often a behaviour with a count happens when the token does not say; ``None``: for ever."""

    @property
    def usage(self) -> str:
        """The behaviour as one writes it, such as ``tok_error[_OPERATION][_TIMES]``."""
        operation = "" if self.argument == "none" else "_OPERATION" if self.operation_needed else "[_OPERATION]"
        tail = {
            "none": "",
            "reason": "[_REASON]",
            "count": "[_TIMES]",
            "seconds": "_SECONDS",
            "amount": "_AMOUNT",
            "status": "_STATUS",
        }[self.argument]
        return f"tok_{self.kind}{operation}{tail}"

    @property
    def pattern(self) -> str:
        """The regular expression of the behaviour, without ``tok_``."""
        operation = f"(?:_(?P<operation>{'|'.join(self.operations)}))" + ("" if self.operation_needed else "?")
        tail = {
            "none": "",
            "reason": f"(?:_(?P<reason>{'|'.join(DECLINES)}))?",
            "count": r"(?:_(?P<count>[1-9]\d{0,6}|forever))?",
            "seconds": r"_(?P<seconds>\d{1,3}(?:\.\d{1,3})?)",
            "amount": r"_(?P<amount>[1-9]\d{0,14})",
            "status": r"_(?P<status>[2-5]\d\d)",
        }[self.argument]
        return self.kind + operation + tail


RULES: Final[tuple[Rule, ...]] = (
    Rule("approve", ("authorize",), "none", "everything succeeds"),
    Rule(
        "decline",
        ("authorize", "capture"),
        "reason",
        f"declined (HTTP 402), every time; a declined capture leaves the authorization. Reasons: {', '.join(DECLINES)}",
    ),
    Rule(
        "refuse",
        ("void", "refund"),
        "count",
        "refused (HTTP 402), the first TIMES times or for ever; each refusal is stored under its idempotency key and "
        "replayed, so TIMES counts different keys",
        operation_needed=True,
        default_count=None,
    ),
    Rule(
        "error",
        OPERATIONS,
        "count",
        "HTTP 500 without effect, the first TIMES times; stored under its idempotency key and replayed as Stripe does, so "
        "TIMES counts different keys",
    ),
    Rule("unavailable", OPERATIONS, "count", "HTTP 503 before anything is done, for the first TIMES requests; not stored"),
    Rule("rate_limit", OPERATIONS, "count", "HTTP 429 with Retry-After, for the first TIMES requests; not stored"),
    Rule(
        "timeout_before",
        OPERATIONS,
        "count",
        "hangs without effect, for the first TIMES requests; the same key again is executed",
        operation_needed=True,
    ),
    Rule(
        "timeout_after",
        OPERATIONS,
        "count",
        "takes effect, then hangs, for the first TIMES requests; the same key again gets the stored answer",
        operation_needed=True,
    ),
    Rule(
        "soft_decline", ("authorize",), "reason", "declined with HTTP 200: the payment is `requires_payment_method`, every time"
    ),
    Rule("challenge", ("authorize",), "none", "the payment is `requires_action` until it is cancelled: nothing is held"),
    Rule("processing", ("authorize",), "seconds", "held, but the payment is `processing` for so long"),
    Rule("part", ("authorize", "capture"), "amount", "only AMOUNT minor units are held, or captured"),
    Rule(
        "pending",
        ("refund",),
        "seconds",
        "the refund is `pending` for so long, then `succeeded`",
        operation_needed=True,
    ),
    Rule(
        "failing",
        ("refund",),
        "seconds",
        "the refund is `pending` for so long, then `failed`; with 0 it fails at once",
        operation_needed=True,
    ),
    Rule("foreign", ("authorize",), "none", "somebody else's payment in another currency is made under the same reference"),
    Rule("page", OPERATIONS, "status", "without effect, the first time: a page of a proxy with HTTP STATUS"),
    Rule("answer", OPERATIONS, "status", "takes effect, and the first answer is a page of a proxy with HTTP STATUS"),
    Rule("slow", OPERATIONS, "seconds", f"waits before it takes effect, every time; at most {MAX_SECONDS:.0f} seconds"),
)
"""Every behaviour. Without an operation, ``authorize`` is meant; without a count, once (``refuse``: for ever).
Counts are kept in the ledger, by the payment's reference, and survive a restart."""

_PATTERNS: Final = tuple((rule, re.compile(rule.pattern, re.ASCII)) for rule in RULES)
_PRECEDENCE: Final[dict[str, int]] = {kind: place for place, kind in enumerate(get_args(Kind))}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What shall happen to one operation. ``count``: how many times, ``None`` for ever; ``seconds``: of waiting.

    ``amount``: minor units; ``status``: of HTTP.
    """

    kind: Kind
    operation: Operation
    count: int | None = None
    seconds: float = 0.0
    reason: str = "generic_decline"
    amount: int = 0
    status: int = 0

    @property
    def name(self) -> str:
        """What the ledger counts it under."""
        return f"{self.kind}_{self.operation}"


def in_order(behaviours: list[Behaviour]) -> list[Behaviour]:
    """The behaviours in the order a gateway would meet them: limits, slowness, errors, declines, lost answers."""
    return sorted(behaviours, key=lambda behaviour: _PRECEDENCE[behaviour.kind])


@lru_cache(maxsize=1024)
def parse(token: str) -> tuple[Behaviour, ...]:
    """The behaviours a token asks for. Raises :class:`UnknownTokenError` where the grammar has no such token."""
    prefix, _, rest = token.partition("_")
    if prefix != "tok" or not rest:
        raise UnknownTokenError(f"{token!r} is not a test token: they begin with tok_, see python -m devstack.sandbox --help")
    return tuple(_behaviour(part) for part in rest.split("+"))


def _behaviour(text: str) -> Behaviour:
    for rule, pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            return _made(rule, match.groupdict())
    raise UnknownTokenError(f"no test token does {text!r}: see python -m devstack.sandbox --help for those there are")


def _made(rule: Rule, given: dict[str, str | None]) -> Behaviour:
    default = rule.operations[0] if len(rule.operations) == 1 else OPERATIONS[0]
    operation = next((name for name in OPERATIONS if name == given.get("operation")), default)
    count = given.get("count")
    seconds = float(given.get("seconds") or 0)
    if seconds > MAX_SECONDS:
        raise UnknownTokenError(f"a test token waits at most {MAX_SECONDS:.0f} seconds, not {seconds:.0f}")
    times = int(count) if count and count != "forever" else None
    if rule.argument == "count" and count is None:
        times = rule.default_count
    if rule.argument == "status":
        times = 1
    return Behaviour(
        rule.kind,
        operation,
        times,
        seconds,
        given.get("reason") or "generic_decline",
        int(given.get("amount") or 0),
        int(given.get("status") or 0),
    )


def table() -> str:
    """The table of behaviours in Markdown, for the README and ``--help``."""
    rows = [f"| `{rule.usage}` | {', '.join(rule.operations)} | {rule.meaning} |" for rule in RULES]
    defaults = "Without OPERATION: authorize. TIMES: a number or `forever`; without it once (`refuse`: for ever)."
    return "\n".join(["| token | operations | what happens |", "|---|---|---|", *rows, "", defaults])
