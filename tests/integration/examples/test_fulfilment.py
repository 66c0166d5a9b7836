"""The fifth service, installed beside the product: its topics and database are made with the others, and it ships."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import databases
from devstack.demo.limits import LIMITS
from devstack.demo.shop import Shop
from shared.client import CheckoutClient
from shared.contract.cart import CheckoutCompleted
from shared.contract.services import SERVICES
from shared.runtime.postgres.database import open_engine
from shared.settings import load
from tests.support import cli, services, system, topics
from tests.support.stacks import ROOT, Stack


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The variable that shows a process what installing the examples leaves behind."""
    groups = tomllib.loads((ROOT / "examples/pyproject.toml").read_text())["project"]["entry-points"]
    lines = [line for group, found in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in found.items()))]
    (made := tmp_path / "site" / "quadrille_examples-0.dist-info").mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: quadrille-examples\nVersion: 0\n")
    (made / "entry_points.txt").write_text("\n".join(lines))
    return {"PYTHONPATH": str(made.parent)}


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of the four services, which run."""
    with services.sandbox(tmp_path) as gateway:
        made = system.prepare(stack, **gateway, **LIMITS)
        with services.running(SERVICES, made, tmp_path):
            yield made


async def test_a_checkout_ends_with_a_parcel(
    stack: Stack, tmp_path: Path, installed: dict[str, str], environment: dict[str, str]
) -> None:
    settings = load(environment)
    urls = await databases.acreate(stack.admin_url, settings.topic_prefix[:-1], {"fulfilment": "t"}, ["fulfilment"])
    everywhere = {**environment, **urls, **installed}
    for command in (("topics", "create"), ("migrate",)):
        ran = await cli.process(everywhere, *command)
        assert b"fulfilment" in ran.out, ran
    fulfilment = services.start("fulfilment", "examples.fulfilment", everywhere, tmp_path)
    try:
        fulfilment.wait_until_healthy()
        async with CheckoutClient(settings) as client, open_engine(settings.database_url("alerts")) as alerts:
            shop = Shop(client, alerts)
            cart_id, outcome = await shop.check_out(await shop.product(stock=1))
        assert isinstance(outcome, CheckoutCompleted)
        (shipped,) = await topics.records(settings, "fulfilment.events")
    finally:
        fulfilment.stop()
    assert topics.headers(shipped)["ce_type"] == "quadrille.ParcelShipped.v1"
    assert json.loads(shipped.value)["cart_id"] == cart_id
