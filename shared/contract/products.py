"""Facts of the shop's catalogue, written from outside. Key: the SKU.

The topic is compacted, so only the last record of a SKU is sure to be there: each carries the whole product.
"""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from shared.contract.message import Amount, CurrencyCode, Event, Id, Sku, Text
from shared.money import EXPONENTS


class CatalogEvent(Event, abstract=True):
    """A fact about one product."""

    topic: ClassVar[str] = "catalog.events"
    key_field: ClassVar[str] = "sku"
    sku: Sku


class ProductListed(CatalogEvent):
    """The product is sold."""

    name: Text
    """For people."""
    prices: Annotated[dict[CurrencyCode, Amount], Field(min_length=1)]
    """The price of one unit in minor units, by currency; it is not sold in a currency that has none, or that this shop
    does not know."""
    tax_category: Id = "standard"
    """Its name in the tax rules."""
    weight_grams: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Grams, of one unit."""

    @property
    def sold_at(self) -> dict[str, int]:
        """The prices in the currencies that this shop knows."""
        return {currency: price for currency, price in self.prices.items() if currency in EXPONENTS}

    @property
    def unknown_currencies(self) -> tuple[str, ...]:
        """The others, in the order of the alphabet."""
        return tuple(sorted(self.prices.keys() - EXPONENTS.keys()))


class ProductPriceChanged(ProductListed):
    """The product costs something else now; carries the whole product, as the topic is compacted."""


class ProductDelisted(CatalogEvent):
    """The product is not sold any more."""


class PricesIgnored(Event):
    """The catalogue has prices in currencies this shop does not know; the product is sold in the others."""

    topic: ClassVar[str] = "cart.events"
    key_field: ClassVar[str] = "sku"
    sku: Sku
    currencies: Annotated[tuple[CurrencyCode, ...], Field(strict=False)]
    """The unknown ones, at most :data:`MAX_IGNORED`."""


MAX_IGNORED: Final = 20
"""Unknown currencies of one product that are told."""
