"""The shop's rules for prices, shipping and tax, read from a TOML file and checked before anything is sold.

Nothing is guessed: where no rule matches, the answer is a :class:`Reason`, never a price or a tax of zero.
"""

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from shared.contract.message import Amount, Currency, Id, Text
from shared.contract.values import Address, Reason

SHIPPED: Final = Path(__file__).with_name("rules.toml")
"""The rules that come with the project."""
WHOLE: Final = 1_000_000
"""A tax rate of 100 %: rates are in parts per million, so that 8.875 % is the integer 88,750."""
ELSEWHERE: Final = "*"
"""Stands for every country, or every region, that is not named (a missing region too)."""


class RulesError(Exception):
    """The rules cannot be used; the message says in one sentence which file, where in it, and why."""


def _parts_per_million(percent: object) -> int:
    if not isinstance(percent, str) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", percent) or Decimal(percent) > 100:
        raise ValueError('a rate is a percentage in quotes from "0" to "100" of at most four decimals, such as "7.25"')
    return int(Decimal(percent) * 10_000)


Rates = dict[Id, Annotated[int, BeforeValidator(_parts_per_million)]]
"""Parts per million by tax category; written as percentages in quotes."""
Prices = dict[Currency, Amount]
"""Minor units by currency."""
Countries = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|\*)$")]
Regions = Annotated[str, StringConstraints(pattern=r"^([A-Z0-9]{1,3}|\*)$")]


class Rule(BaseModel):
    """A table of the file: immutable, exact in its types, without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Band(Rule):
    """What parcels of up to ``up_to_grams`` cost, that weight included; without it: of any weight."""

    up_to_grams: Annotated[int, Field(ge=0)] | None = None
    price: Annotated[Prices, Field(min_length=1)]


class ShippingRate(NamedTuple):
    """What a method costs here, in minor units; nothing from goods worth ``free_from`` on, where that is set."""

    price: int
    free_from: int | None

    def charge(self, goods: int) -> int:
        """What is charged for shipping ``goods`` minor units, after discounts."""
        return 0 if self.free_from is not None and goods >= self.free_from else self.price


class Zone(Rule):
    """Countries with the same rates: bands of rising weight, and what goods after discounts ship for free from."""

    countries: Annotated[tuple[Countries, ...], Field(min_length=1, strict=False)]
    bands: Annotated[tuple[Band, ...], Field(min_length=1, strict=False)]
    free_from: Prices = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bands_rise(self) -> "Zone":
        limits = [band.up_to_grams for band in self.bands]
        bounded = [limit for limit in limits if limit is not None]
        if None in limits[:-1] or bounded != sorted(set(bounded)):
            raise ValueError("up_to_grams must rise from band to band, and only the last may be without")
        return self

    def band(self, grams: int) -> Band | None:
        """The first band that takes so heavy a parcel, if any."""
        return next((band for band in self.bands if band.up_to_grams is None or grams <= band.up_to_grams), None)


class Method(Rule):
    """A way to ship. A country named in no zone belongs to the zone with ``*``, if there is one."""

    name: Text
    zones: Annotated[tuple[Zone, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _each_country_once(self) -> "Method":
        named = [country for zone in self.zones for country in zone.countries]
        twice = sorted({country for country in named if named.count(country) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is in more than one place of the zones")
        return self

    def zone(self, country: str) -> Zone | None:
        """The zone of a country, if this method goes there."""
        found = None
        for zone in self.zones:
            if country in zone.countries:
                return zone
            if ELSEWHERE in zone.countries:
                found = zone
        return found


class Taxes(NamedTuple):
    """The rates of one place by category, and the category of shipping. Rates in parts per million."""

    rates: dict[str, int]
    shipping: str


class TaxRegion(Rule):
    """What a region has of its own; the rest is as in its country."""

    rates: Rates = Field(default_factory=dict)
    shipping: Id | None = None


class TaxCountry(Rule):
    """The rates of a country, and the category whose rate shipping bears (for untaxed shipping: one of rate 0).

    With ``regions``, an address must name one of them, unless there is a region ``*``.
    """

    rates: Rates = Field(default_factory=dict)
    shipping: Id
    regions: dict[Regions, TaxRegion] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shipping_has_rate(self) -> "TaxCountry":
        for region in self.regions or (None,):
            taxes = self.taxes(region)
            assert taxes is not None, "the region is one of these"
            if taxes.shipping not in taxes.rates:
                where = f" of region {region}" if region else ""
                raise ValueError(f"shipping{where} is in category {taxes.shipping}, which has no rate there")
        return self

    def taxes(self, region: str | None) -> Taxes | None:
        """The rates of a region, or ``None`` where the region is missing or not known."""
        if not self.regions:
            return Taxes(self.rates, self.shipping)
        own = self.regions.get(region or ELSEWHERE) or self.regions.get(ELSEWHERE)
        return None if own is None else Taxes(self.rates | own.rates, own.shipping or self.shipping)


class Rules(Rule):
    """All rules. ``tax_included``: for each currency sold in, whether its prices hold the tax or it comes on top."""

    tax_included: Annotated[dict[Currency, bool], Field(min_length=1)]
    shipping: Annotated[dict[Id, Method], Field(min_length=1)]
    tax: Annotated[dict[Countries, TaxCountry], Field(min_length=1)]

    @model_validator(mode="after")
    def _rules_fit_together(self) -> "Rules":
        for name, method in self.shipping.items():
            for zone in method.zones:
                priced = {currency for band in zone.bands for currency in band.price} | set(zone.free_from)
                if unknown := sorted(priced - set(self.tax_included)):
                    raise ValueError(f"shipping.{name} has prices in {', '.join(unknown)}, missing in tax_included")
                if ELSEWHERE in self.tax:
                    continue
                if untaxed := sorted(set(zone.countries) - set(self.tax) - {ELSEWHERE}):
                    raise ValueError(f"shipping.{name} goes to {', '.join(untaxed)}, missing in tax")
        return self

    def prices_include_tax(self, currency: str) -> bool | Reason:
        """Whether prices in this currency hold the tax; ``currency_not_sold`` where the shop does not sell in it."""
        included = self.tax_included.get(currency)
        if included is None:
            return Reason(code="currency_not_sold", message=f"The shop does not sell in {currency}.", subject="currency")
        return included

    def taxes(self, address: Address) -> Taxes | Reason:
        """The tax rates at an address.

        Reasons: ``country_not_sold_to``, ``region_missing``, ``region_unknown``; the subject is ``shipping_address``.
        """
        country = self.tax.get(address.country) or self.tax.get(ELSEWHERE)
        if country is None:
            return _address_fault("country_not_sold_to", f"The shop does not sell to {address.country}.")
        taxes = country.taxes(address.region)
        if taxes is not None:
            return taxes
        if address.region is None:
            return _address_fault("region_missing", f"An address in {address.country} needs its state or region.")
        return _address_fault("region_unknown", f"The shop does not sell to {address.country}-{address.region}.")

    def shipping_rate(self, method: str, country: str, currency: str, grams: int) -> ShippingRate | Reason:
        """What a method costs for a parcel of this weight to a country.

        Reasons: ``shipping_method_unknown``, ``shipping_method_not_to_country``, ``shipping_method_too_heavy``,
        ``shipping_method_not_in_currency``; the subject is ``shipping_method``.
        """
        way = self.shipping.get(method)
        if way is None:
            return _method_fault("unknown", f"There is no shipping method {method}.")
        zone = way.zone(country)
        if zone is None:
            return _method_fault("not_to_country", f"{way.name} does not ship to {country}.")
        band = zone.band(grams)
        if band is None:
            return _method_fault("too_heavy", f"{way.name} does not carry parcels of {grams} g.")
        price = band.price.get(currency)
        if price is None:
            return _method_fault("not_in_currency", f"{way.name} has no price in {currency} here.")
        return ShippingRate(price, zone.free_from.get(currency))

    def methods(self, country: str, currency: str, grams: int) -> tuple[str, ...]:
        """The shipping methods a parcel to this country can have, in the order of the file."""
        rates = ((name, self.shipping_rate(name, country, currency, grams)) for name in self.shipping)
        return tuple(name for name, rate in rates if isinstance(rate, ShippingRate))


def load_rules(path: Path | None = None) -> Rules:
    """The rules of a file; without one, those that come with the project. Raises :class:`RulesError`."""
    path = path or SHIPPED
    try:
        with path.open("rb") as file:
            return Rules.model_validate(tomllib.load(file))
    except OSError as error:
        raise RulesError(f"the rules file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"the rules file {path} is not TOML: {error}") from None
    except ValidationError as error:
        raise RulesError(f"the rules in {path} are invalid: {'; '.join(_faults(error))}") from None


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        detail: dict[str, Any] = fault.get("ctx", {})
        where = ".".join(map(str, fault["loc"]))
        message = str(detail.get("error", fault["msg"]))
        yield f"{where}: {message}" if where else message


def _address_fault(code: str, message: str) -> Reason:
    return Reason(code=code, message=message, subject="shipping_address")


def _method_fault(code: str, message: str) -> Reason:
    return Reason(code=f"shipping_method_{code}", message=message, subject="shipping_method")
