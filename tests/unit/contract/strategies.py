"""Any message of the contract, made from the types of its fields."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from shared.contract.cards import has_card_number
from shared.contract.countries import POSTAL_CODE_REQUIRED
from shared.contract.message import Currency, Moment, Text
from shared.contract.order import DefineCoupon
from shared.contract.rejection import CommandRejected
from shared.contract.values import Address, PaymentMethod
from shared.money import EXPONENTS

TAKEN: Final = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\u202d\u202e")
PECULIAR: Final[tuple[tuple[Any, SearchStrategy[Any]], ...]] = (
    (Currency, st.sampled_from(sorted(EXPONENTS))),
    (Text, st.text(TAKEN, min_size=1, max_size=200).filter(lambda text: not has_card_number(text))),
    (Moment, st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))),
)
"""Types whose rule is more than a pattern or bounds."""


@cache
def models(kind: type[BaseModel]) -> SearchStrategy[Any]:
    """Every value of this type that keeps the contract."""
    fields = {name: of(hint) for name, hint in get_type_hints(kind, include_extras=True).items() if name in kind.model_fields}
    if kind is CommandRejected:  # the key of a command that was read, or else "unknown"
        fields["command_key"] = of(Text)
    if kind is PaymentMethod:
        return st.one_of(
            st.just(kind(kind="cash_on_delivery")), st.builds(kind, kind=st.just("card"), token=_given(fields, "token"))
        )
    if kind is DefineCoupon:
        return st.one_of(*_coupons(fields))
    if kind is Address:
        return st.builds(kind, **fields).filter(lambda a: a.postal_code is not None or a.country not in POSTAL_CODE_REQUIRED)
    return st.builds(kind, **fields)


def _given(fields: dict[str, SearchStrategy[Any]], name: str) -> SearchStrategy[Any]:
    return fields[name].filter(lambda value: value is not None)


def _coupons(fields: dict[str, SearchStrategy[Any]]) -> list[SearchStrategy[Any]]:
    dates = st.tuples(fields["valid_from"], fields["valid_until"]).filter(lambda d: None in d or d[0] < d[1])

    def coupon(kind: str, **terms: SearchStrategy[Any]) -> SearchStrategy[Any]:
        common = {name: fields[name] for name in ("code", "minimum_subtotal", "limit")}

        def make(when: tuple[Any, Any], given: dict[str, Any]) -> DefineCoupon:
            return DefineCoupon(kind=kind, valid_from=when[0], valid_until=when[1], **given)  # type: ignore[arg-type]

        return st.builds(make, dates, st.fixed_dictionaries({**common, **terms}))

    return [
        coupon("percentage", percent_off=_given(fields, "percent_off")),
        coupon("fixed_amount", amount_off=_given(fields, "amount_off")),
        coupon("free_shipping"),
    ]


def of(hint: Any, metadata: tuple[Any, ...] = ()) -> SearchStrategy[Any]:
    """Values of an annotated type."""
    for known, strategy in PECULIAR:
        if hint == known:
            return strategy
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return of(args[0], tuple(part for each in args[1:] for part in _parts(each)))
    if origin in (Union, UnionType):
        return st.one_of(*map(of, args))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(of(args[0]), of(args[1]), min_size=_bound(metadata, MinLen, 0), max_size=3)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return models(hint)
    return SIMPLE[hint](metadata)


def _parts(constraint: Any) -> list[Any]:
    return list(constraint.metadata) if isinstance(constraint, FieldInfo) else [constraint]


def _bound(metadata: tuple[Any, ...], kind: type[Any], otherwise: Any) -> Any:
    names = {Ge: "ge", Le: "le", MinLen: "min_length", MaxLen: "max_length"}
    return next((getattr(part, names[kind]) for part in metadata if isinstance(part, kind)), otherwise)


def _texts(metadata: tuple[Any, ...]) -> SearchStrategy[str]:
    pattern = next((part.pattern for part in metadata if isinstance(part, StringConstraints) and part.pattern), None)
    if pattern is None:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
    return _matching(pattern).filter(lambda text: not has_card_number(text))


@cache
def _matching(pattern: str) -> SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True)


def _integers(metadata: tuple[Any, ...]) -> SearchStrategy[int]:
    return st.integers(_bound(metadata, Ge, -(2**63)), _bound(metadata, Le, 2**63 - 1))


SIMPLE: Final[dict[Any, Callable[[tuple[Any, ...]], SearchStrategy[Any]]]] = {
    str: _texts,
    int: _integers,
    bool: lambda _: st.booleans(),
    NoneType: lambda _: st.none(),
}
