"""The rules, checked by Prometheus' own tools, and a real Prometheus that scrapes real services and evaluates them."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from devstack.ports import free_port
from shared.contract.inventory import ReceiveStock
from shared.settings import load
from tests.support import services, system
from tests.support.stacks import Stack
from tests.support.topics import publish

DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
SERVICES = ("inventory", "alerts")
pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    checked = subprocess.run(["promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_tested() -> None:
    rules = yaml.safe_load((DEPLOY / "rules.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    tests = yaml.safe_load((DEPLOY / "rules_test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert fired == alerts


class Prometheus:
    """A running Prometheus, asked over its API."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self._address, self._session = address, session

    async def get(self, path: str, **arguments: str) -> Any:
        """What the API answers."""
        async with self._session.get(f"{self._address}/api/v1/{path}", params=arguments, raise_for_status=True) as answer:
            return (await answer.json())["data"]

    async def value(self, query: str) -> float | None:
        """The value of the only series of a query, if there is one."""
        found = (await self.get("query", query=query))["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    async def until(self, query: str, wanted: float, seconds: float = 30) -> None:
        """Wait for a query to give a value."""
        found = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await self.value(query)
                    if found == wanted:
                        return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{query} is {found} and not {wanted} after {seconds} s") from None

    async def until_quiet(self, group: str, prefix: str, seconds: float = 30) -> None:
        """Wait until no alert is about us, pending or firing: rules are evaluated a moment after what they judge.

        Nothing audits the money here, as the one rule about that says.
        """
        ours: list[Any] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    labels = [alert["labels"] for alert in (await self.get("alerts"))["alerts"]]
                    ours = [
                        one
                        for one in labels
                        if one.get("consumergroup", group).startswith(prefix) and one["alertname"] != "QuadrilleAuditTooOld"
                    ]
                    if not ours:
                        return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"after {seconds} s there are still the alerts {ours}") from None


@pytest_asyncio.fixture
async def scraped(stack: Stack, tmp_path: Path) -> AsyncIterator[tuple[Prometheus, dict[str, str]]]:
    """Two services and a Prometheus with our configuration, but for the addresses and a shorter interval."""
    environment = await asyncio.to_thread(lambda: system.prepare(stack, QUADRILLE_WATCH_SECONDS="0.2"))
    with services.running(SERVICES, environment, tmp_path) as running:
        configuration = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration["rule_files"] = [str(DEPLOY / "rules.yml")]
        targets = [f"127.0.0.1:{service.port}" for service in running.values()]
        configuration["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with aiohttp.ClientSession() as session:
                await _until_ready(session, f"http://127.0.0.1:{port}/-/ready")
                yield Prometheus(f"http://127.0.0.1:{port}", session), environment
        finally:
            process.terminate()
            await process.wait()


async def _until_ready(session: aiohttp.ClientSession, address: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with session.get(address, raise_for_status=True):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


async def test_prometheus_scrapes_the_services_and_evaluates_the_rules(
    scraped: tuple[Prometheus, dict[str, str]],
) -> None:
    prometheus, environment = scraped
    settings = load(environment)
    await prometheus.until('count(up{job="quadrille"} == 1)', len(SERVICES))
    group = settings.topic("quadrille.inventory")
    await publish(settings, *[ReceiveStock(sku="tea", quantity=1)] * 1)
    await prometheus.until('quadrille_messages_handled_total{service="inventory",type="ReceiveStock"}', 1)
    await publish(settings, *[ReceiveStock(sku="tea", quantity=1)] * 2)
    await prometheus.until('quadrille_messages_handled_total{service="inventory",type="ReceiveStock"}', 3)
    await prometheus.until('quadrille_messages_emitted_total{service="inventory",type="StockReceived"}', 3)
    await prometheus.until(f'sum(kafka_consumergroup_current_offset{{consumergroup="{group}"}})', 3)
    await prometheus.until(f'quadrille:consumergroup_lag:sum{{consumergroup="{group}"}}', 0)
    await prometheus.until(f'quadrille_consumergroup_status{{consumergroup="{group}"}}', 1)
    await prometheus.until('quadrille:outbox_depth:max{service="inventory"}', 0)
    await prometheus.until('sum(quadrille:messages_handled:rate5m{service="inventory"}) > bool 0', 1)
    rules = (await prometheus.get("rules"))["groups"]
    sick = {rule["name"]: rule.get("lastError") for group in rules for rule in group["rules"] if rule["health"] != "ok"}
    assert not sick, json.dumps(sick)
    await prometheus.until_quiet(group, settings.topic_prefix)
