"""Where order keeps its aggregates."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from services.order.coupon import Coupon
from services.order.model import Checkout, OrderNumber
from shared.runtime.postgres.store import Numbers, Store, version_column
from shared.runtime.postgres.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

checkouts = Table(
    "checkouts",
    metadata,
    Column("checkout_id", Text, primary_key=True),
    version_column(),
    Column("cart_id", Text, nullable=False),
    Column("number", BigInteger),
    Column("state", Text, nullable=False),
    Column("quote", JSON),
    Column("expected_total", BigInteger),
    Column("reserved_until", DateTime(timezone=True)),
    Column("totals", JSON),
    Column("coupons_redeemed", Boolean, nullable=False),
    Column("payment", Text),
    Column("rejected", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True)),
    UniqueConstraint("number", name="one_number_an_order"),
    Index("checkouts_of_cart", "cart_id"),
)

coupons = Table(
    "coupons",
    metadata,
    Column("code", Text, primary_key=True),
    version_column(),
    Column("kind", Text),
    Column("percent_off", Integer),
    Column("amount_off", JSON, nullable=False),
    Column("minimum_subtotal", JSON, nullable=False),
    Column("valid_from", DateTime(timezone=True)),
    Column("valid_until", DateTime(timezone=True)),
    Column("redemption_limit", BigInteger),
    Column("redeemed", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    CheckConstraint("redeemed >= 0", name="never_given_back_twice"),
)

_OF_CART = "SELECT checkout_id FROM checkouts WHERE cart_id = :cart_id AND checkout_id <> ALL(:known)"

STORES = (Store(Checkout, checkouts, {"of_cart": _OF_CART}), Store(Coupon, coupons))
"""In the order of locking."""
NUMBERS = Numbers(OrderNumber, checkouts, "order_numbers")
