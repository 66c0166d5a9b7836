"""A sandbox process for the tests that do not stop it, and clients of it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.payment.gateways.http import HttpGateway
from tests.integration.sandbox.process import SandboxProcess, connected, running


@pytest_asyncio.fixture(scope="package")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    """One sandbox for all; timeouts hang for longer than the impatient client waits."""
    async with running(tmp_path_factory.mktemp("sandbox") / "ledger.db", hang_seconds=5) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="package")
async def gateway(sandbox: SandboxProcess) -> AsyncIterator[HttpGateway]:
    """A client that waits long enough for everything."""
    async with connected(sandbox.url) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="package")
async def impatient(sandbox: SandboxProcess) -> AsyncIterator[HttpGateway]:
    """A client that does not wait for what hangs."""
    async with connected(sandbox.url, timeout_seconds=1) as gateway:
        yield gateway
