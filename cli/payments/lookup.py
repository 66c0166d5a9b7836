"""From what is on a customer's letter to what the services call it."""

import re
from pathlib import Path
from typing import Final

from sqlalchemy import text

from cli import system
from cli.shell import UsageError
from shared.contract.values import cart_of
from shared.runtime.postgres.database import connect

_NUMBER: Final = re.compile(r"Q-0*(\d{1,18})")
_ORDER: Final = text(
    "SELECT checkout_id FROM checkouts WHERE number = :number AND state IN ('created', 'confirmed', 'cancelled')"
)


async def checkout_of(state: Path, named: str) -> tuple[str, str]:
    """The cart and the checkout of an order number (``Q-0001001``) or of a checkout id.

    Raises :class:`UsageError` where it is neither, and ``SettingsError`` where order's database is needed and not named.
    """
    checkout_id = await _of_order(state, int(number[1])) if (number := _NUMBER.fullmatch(named)) else named
    cart_id = cart_of(checkout_id)
    if cart_id is None:
        raise UsageError(f"{named!r} is neither an order number, such as Q-0001001, nor a checkout id, such as CART.1")
    return cart_id, checkout_id


async def _of_order(state: Path, number: int) -> str:
    engine = connect(system.settings(state).database_url("order"))
    try:
        async with engine.connect() as connection:
            found: str | None = (await connection.execute(_ORDER, {"number": number})).scalar_one_or_none()
    finally:
        await engine.dispose()
    if found is None:
        raise UsageError(f"there is no order Q-{number:07d}")
    return found
