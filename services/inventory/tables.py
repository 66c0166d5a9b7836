"""Where inventory keeps its aggregates. The checks are the last line against overselling."""

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, DateTime, Index, Integer, MetaData, Table, Text, text

from services.inventory.model import LIVE, Reservation, Stock
from shared.runtime.postgres.store import Store, timer_columns, version_column
from shared.runtime.postgres.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

_LIVE = ", ".join(f"'{state}'" for state in LIVE)

reservations = Table(
    "reservations",
    metadata,
    Column("checkout_id", Text, primary_key=True),
    version_column(),
    Column("cart_id", Text, nullable=False),
    Column("state", Text),
    Column("units", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("reserved_at", DateTime(timezone=True)),
    Column("loss", JSON),
    *timer_columns("reservations"),
    Index("reservations_live", "reserved_at", postgresql_where=text(f"state IN ({_LIVE})")),
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

_LATEST_OF = f"""
SELECT checkout_id FROM (
  SELECT checkout_id, sum(quantity) OVER (
    ORDER BY reserved_at DESC NULLS LAST, checkout_id COLLATE "C" DESC ROWS UNBOUNDED PRECEDING) - quantity AS later
  FROM (
    SELECT checkout_id, reserved_at, CAST(units->>CAST(:sku AS text) AS bigint) AS quantity
    FROM reservations WHERE state IN ({_LIVE}) AND checkout_id <> ALL(:known)
  ) AS live WHERE quantity IS NOT NULL
) AS summed WHERE later < :missing"""
"""The latest reservations of a SKU that hold so many units together."""

STORES = (Store(Reservation, reservations, {"latest_of": _LATEST_OF}), Store(Stock, stocks))
"""In the order of locking."""
