"""Where cart keeps its aggregates."""

from sqlalchemy import ARRAY, JSON, BigInteger, Boolean, Column, Integer, MetaData, Table, Text

from services.cart.model import Cart, Product
from shared.runtime.postgres.store import Store, timer_columns, version_column
from shared.runtime.postgres.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

carts = Table(
    "carts",
    metadata,
    Column("cart_id", Text, primary_key=True),
    version_column(),
    Column("state", Text),
    Column("currency", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("lines", JSON, nullable=False),
    Column("coupons", ARRAY(Text), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("session", JSON),
    Column("order_number", Text),
    Column("failed", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    *timer_columns("carts"),
)

products = Table(
    "products",
    metadata,
    Column("sku", Text, primary_key=True),
    version_column(),
    Column("name", Text, nullable=False),
    Column("prices", JSON, nullable=False),
    Column("ignored", ARRAY(Text), nullable=False),
    Column("tax_category", Text, nullable=False),
    Column("weight_grams", BigInteger, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
)

STORES = (Store(Cart, carts), Store(Product, products))
"""In the order of locking."""
