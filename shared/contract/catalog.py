"""Facts of the shop's catalogue, written from outside. Key: the SKU.

The topic is compacted, so only the last record of a SKU is sure to be there: each carries the whole product.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.contract.message import Amount, Currency, Event, Id, Sku, Text


class CatalogEvent(Event):
    """A fact about one product."""

    topic: ClassVar[str] = "catalog.events"
    key_field: ClassVar[str] = "sku"
    sku: Sku


class ProductListed(CatalogEvent):
    """The product is sold."""

    name: Text
    """For people."""
    prices: Annotated[dict[Currency, Amount], Field(min_length=1)]
    """The price of one unit in minor units, by currency; it is not sold in a currency that has none."""
    tax_category: Id = "standard"
    """Its name in the tax rules."""
    weight_grams: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Grams, of one unit."""


class ProductPriceChanged(ProductListed):
    """The product costs something else now; carries the whole product, as the topic is compacted."""


class ProductDelisted(CatalogEvent):
    """The product is not sold any more."""
