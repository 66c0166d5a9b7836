"""Where fulfilment keeps its aggregates."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text

from examples.fulfilment.model import Parcel
from shared.runtime.postgres.store import Store, version_column
from shared.runtime.postgres.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

parcels = Table(
    "parcels",
    metadata,
    Column("checkout_id", Text, primary_key=True),
    version_column(),
    Column("order_number", Text, nullable=False),
    Column("shipped_at", DateTime(timezone=True)),
)

STORES = (Store(Parcel, parcels),)
