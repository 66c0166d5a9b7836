"""The run: load, injections one after the other, and at the end the question whether everything is right."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO

from cli.audit import audit
from cli.audit.books import Books, read
from cli.shell import UsageError, stop_signals
from devstack.demo.shop import Shop
from devstack.output import as_json
from proofs.background import background
from proofs.chaos.client import DurableClient
from proofs.chaos.faults import Begin, kinds
from proofs.chaos.load import Load, recovered
from proofs.chaos.report import Hit, Report
from proofs.chaos.schedule import Fault, Injection, plan
from proofs.chaos.world import World
from services.alerts.views import open_alerts
from shared.runtime.observability.logs import JsonLines
from shared.runtime.postgres.database import connect
from shared.settings import Settings

RECOVERY_SECONDS: Final = 300.0
"""A shop that does not work so long after a fault has healed will not by itself."""
SETTLED_SECONDS: Final = 60.0
"""Within so many seconds after everything healed, every checkout is at its end or has an open alert."""
STOCK: Final = 1_000_000


async def chaos(state: Path, minutes: float, seed: int, rate: float, brokers: int, progress: Callable[[str], None]) -> Report:
    """Run everything, on a stack of its own, and stop it again, also where we are told to stop before the end."""
    log = state / "logs" / "chaos.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as lines:

        def say(name: str, line: str) -> None:
            lines.write(f"{as_json(name, line)}\n")

        def tell(text: str) -> None:
            say("chaos", text)
            progress(text)

        for library in ("aiokafka", "asyncio"):  # what our own client meets is no news to whoever looks on
            _write_to(lines, library)
        running = asyncio.create_task(_run(World(state, brokers, say, tell), seed, 60 * minutes, rate, tell))
        with stop_signals(lambda: _cancel(running)):
            try:
                return await running
            except asyncio.CancelledError:
                raise UsageError("stopped before the end, so nothing was checked") from None


async def _run(world: World, seed: int, seconds: float, rate: float, tell: Callable[[str], None]) -> Report:
    try:
        ways = kinds(world)
        injections = plan(list(ways), seed, seconds)
        tell(f"{len(injections)} injections by seed {seed}:")
        for injection in injections:
            tell(str(injection))
        await world.start()
        return await Run(world, seed, tell).run({kind.name: begin for kind, begin in ways.items()}, injections, rate)
    finally:
        tell("Stopping what was started")
        await world.stop()


def _cancel(task: asyncio.Task[Report]) -> None:
    task.cancel()


def _write_to(lines: TextIO, library: str) -> None:
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines("chaos"))
    logger = logging.getLogger(library)
    logger.handlers, logger.propagate = [handler], False


class Run:
    """One run in a world that is up."""

    def __init__(self, world: World, seed: int, tell: Callable[[str], None]) -> None:
        self._world, self._seed, self._tell = world, seed, tell
        self._restarts: Counter[str] = Counter()
        self._wrong: list[str] = []

    async def run(self, ways: dict[str, Begin], injections: Sequence[Injection], rate: float) -> Report:
        """The load, the injections, the end."""
        started = time.monotonic()
        engine = connect(self._world.settings.database_url("alerts"))
        async with DurableClient(self._world.settings) as client:
            shop = Shop(client, engine)
            sku = await shop.product(stock=STOCK)
            cart_id = await shop.cart(sku)  # it is known to cart by now
            client.forget([sku, cart_id])
            load = Load(client, shop, self._seed)
            async with background(load.run(rate)):
                hits = [await self._inject(client, sku, injection, ways, started) for injection in injections]
            minutes = (time.monotonic() - started) / 60
            self._tell("Everything has healed; waiting for every checkout to come to its end")
            settled = await self._settle(client)
            self._wrong += await _never_taken_back(self._world.settings)
            books = await read(self._world.settings)
        await engine.dispose()
        return Report(
            seed=self._seed,
            minutes=minutes,
            brokers=len(self._world.brokers),
            hits=hits,
            stories=load.stories,
            as_planned=load.as_planned,
            checkouts=outcomes(books),
            open_alerts=len(books.alerts),
            restarts={name: program.restarts for name, program in self._world.programs.items()},
            settled_seconds=settled,
            not_possible=[] if self._world.database.disk.real else ["full disk: no file system can be mounted"],
            violations=self._wrong,
        )

    async def _inject(
        self, client: DurableClient, sku: str, injection: Injection, ways: dict[str, Begin], started: float
    ) -> Hit:
        await asyncio.sleep(max(0.0, started + injection.at - time.monotonic()))
        self._tell(f"{time.monotonic() - started:6.0f} s  {' and '.join(map(str, injection.faults))}")
        await asyncio.gather(*(self._fault(fault, ways[fault.kind]) for fault in injection.faults))
        seconds = await recovered(client, self._world.settings, sku, RECOVERY_SECONDS)
        if seconds is None:
            self._wrong.append(f"no checkout was confirmed within {RECOVERY_SECONDS:g} s after {injection}")
        self._tell(f"         recovered after {seconds or RECOVERY_SECONDS:.1f} s")
        return Hit(injection, seconds)

    async def _fault(self, fault: Fault, begin: Begin) -> None:
        await asyncio.sleep(fault.start)
        async with begin(self._world, fault.target):
            await asyncio.sleep(fault.seconds)

    async def _settle(self, client: DurableClient) -> float:
        """Wait until everything is right, and note what is not; returns the seconds it took."""
        started = time.monotonic()
        ill, report = await asyncio.gather(
            self._world.until_healthy(SETTLED_SECONDS), audit(self._world.settings, patience=SETTLED_SECONDS)
        )
        while True:
            if not client.unanswered or time.monotonic() > started + SETTLED_SECONDS:
                break
            await asyncio.sleep(0.5)
        self._wrong += map(str, report.violations)
        self._wrong += [f"{name} needs a hand: {trouble}" for name, trouble in ill.items()]
        self._wrong += [f"{name} ended and is not started again" for name, p in self._world.programs.items() if p.given_up]
        self._wrong += [f"the confirmation of cart {cart_id} was never answered" for cart_id in client.unanswered]
        return time.monotonic() - started


async def _never_taken_back(settings: Settings) -> list[str]:
    """What the watchdog still tells of: it takes back what is over, and by now all of it should be."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    engine = connect(settings.database_url("alerts"))
    try:
        while True:
            told = [alert.title for alert in await open_alerts(engine) if alert.alert_id.startswith("watchdog:")]
            if not told or time.monotonic() > deadline:
                return [f"the watchdog still tells: {title}" for title in told]
            await asyncio.sleep(1)
    finally:
        await engine.dispose()


def outcomes(books: Books) -> dict[str, int]:
    """How many checkouts ended how: the order's state, and the payment's."""
    found: Counter[str] = Counter()
    for i, checkout in books.checkouts.items():
        payment = books.payments.get(i)
        found[f"{checkout.state}, payment {payment.state if payment else 'none'}"] += 1
    return dict(found.most_common())
