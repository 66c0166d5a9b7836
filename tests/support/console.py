"""The console of the running system, for whoever is logged in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from httpx import AsyncClient

from tests.support.system import System
from tests.unit.console.helpers import token

T = TypeVar("T")
SECONDS = 40.0


@asynccontextmanager
async def logged_in(quadrille: System, name: str = "ada") -> AsyncIterator[AsyncClient]:
    """Ada, at the console."""
    password = quadrille.settings.console_password
    assert password
    async with AsyncClient(base_url=quadrille.settings.console_address, timeout=60) as at:
        filled = {"csrf": await token(at, "/login"), "name": name, "password": password.get_secret_value(), "next": "/"}
        assert (await at.post("/login", data=filled)).status_code == 303
        yield at
