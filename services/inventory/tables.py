"""Where inventory keeps its aggregates. The checks are the last line against overselling."""

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Integer, MetaData, Table, Text

from services.inventory.model import Reservation, Stock
from shared.runtime.store import Store, deadline_columns, version_column
from shared.runtime.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

reservations = Table(
    "reservations",
    metadata,
    Column("checkout_id", Text, primary_key=True),
    version_column(),
    Column("cart_id", Text, nullable=False),
    Column("state", Text),
    Column("units", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    *deadline_columns("reservations"),
)

stocks = Table(
    "stocks",
    metadata,
    Column("sku", Text, primary_key=True),
    version_column(),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("adjusted", BigInteger, nullable=False),
    Column("committed", BigInteger, nullable=False),
    CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="never_oversold"),
    CheckConstraint("received + adjusted = on_hand + committed", name="nothing_lost"),
)

STORES = (Store(Reservation, reservations), Store(Stock, stocks))
"""In the order of locking."""
