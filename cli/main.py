"""The command ``quadrille``."""

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from cli import alerts, dlq, payments, system
from cli import send as sending
from cli.audit import audit
from cli.audit.show import show
from cli.bench.run import bench
from cli.bench.run import show as show_bench
from cli.demo.run import demo
from cli.docs.command import app as docs
from cli.output import Lines
from cli.shell import STATE, WRONG, Json, Quadrille, State, console, run
from cli.up import Running, health, stop_signals
from shared.client import CheckoutClient
from shared.runtime import kafka

app = Quadrille(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An e-commerce checkout danced by four services over Kafka, with nobody conducting.",
    epilog="Example: quadrille demo. Exit codes: 0 right, 1 something is wrong, 2 nothing could be done; the end says why.",
)
topics = typer.Typer(no_args_is_help=True, help="The topics of the contract.", epilog="Example: quadrille topics check")
app.add_typer(topics, name="topics")
app.add_typer(docs, name="docs")
app.add_typer(dlq.app, name="dlq")
app.add_typer(alerts.app, name="alerts")
app.add_typer(payments.app, name="payments")


@app.command(epilog="Example: quadrille up --state .quadrille")
def up(state: State = STATE) -> None:
    """Start broker, database, gateway and services; stay in front. Ctrl-C stops all.

    Where QUADRILLE_KAFKA_BOOTSTRAP_SERVERS is set, that broker and the databases of the settings are used instead.
    """

    async def work() -> None:
        lines = Lines(console)
        stopped = asyncio.Event()
        started = time.monotonic()
        running = Running(state, {}, lines.say, lines.progress)
        with stop_signals(stopped.set):
            await running.start()
            lines.progress(f"Quadrille is up after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
            await stopped.wait()
            lines.progress("Stopping")
            await running.stop()

    run(work())


@app.command(epilog="Example: quadrille down")
def down(state: State = STATE) -> None:
    """Stop what `up` started in this folder, wherever it runs."""
    found = system.find(state)
    if found is None:
        console.print("Nothing runs here")
        raise typer.Exit(0)
    process = found.owner.find()
    if process is not None:
        process.terminate()
        with contextlib.suppress(Exception):
            process.wait(60)
    if found.owner.find():
        sys.stderr.write("it did not stop within 60 s\n")
        raise typer.Exit(WRONG)
    console.print("Stopped")


@app.command(epilog="Example: quadrille status --json")
def status(state: State = STATE, as_json: Json = False) -> None:
    """How every process of this folder is. Exit code 1 where one is not healthy."""
    found = system.find(state)
    if found is None:
        sys.stderr.write(f"nothing runs in {state}\n")
        raise typer.Exit(WRONG)
    states = run(health(found.health_ports))
    if as_json:
        console.print_json(json.dumps(states))
    else:
        table = Table("service", "healthy", "lanes", "trouble", "health and metrics")
        for name, said in states.items():
            owned = said.get("lanes")
            lanes = ",".join(str(lane) for lane in owned) if isinstance(owned, list) else ""
            address = f"http://127.0.0.1:{found.health_ports[name]}"
            table.add_row(name, "yes" if said["healthy"] else "NO", lanes, str(said.get("trouble") or ""), address)
        console.print(table)
    if not all(said["healthy"] for said in states.values()):
        raise typer.Exit(WRONG)


@app.command(epilog="""Example: echo '{"type": "PreviewCheckout", "data": {"cart_id": "c1"}}' | quadrille send -""")
def send(
    file: Annotated[
        typer.FileText,
        typer.Argument(help="JSON lines; - for standard input.", encoding="utf-8", errors="surrogateescape"),
    ],
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Publish commands. Each line is checked before any is sent; prints the id of each."""

    async def work() -> None:
        messages = sending.parse(file)
        async with CheckoutClient(system.settings(state), "/quadrille/send") as client:
            ids = await client.send(*messages)
        for message, message_id in zip(messages, ids, strict=True):
            kind = type(message).__name__
            line = json.dumps({"id": message_id, "type": kind, "key": message.key})
            console.print(line if as_json else f"{message_id}  {kind}  {message.key}", soft_wrap=True)

    run(work())


@topics.command("create", epilog="Example: quadrille topics create")
def create_topics(state: State = STATE) -> None:
    """Create the topics that are missing."""
    made = run(kafka.create_topics(system.settings(state)))
    console.print(f"Created {', '.join(made)}" if made else "All topics are there")


@topics.command("check", epilog="Example: quadrille topics check")
def check_topics(state: State = STATE) -> None:
    """Say whether every topic is there, with the number of partitions the settings want. Exit code 2 if not."""
    run(kafka.check_topics(system.settings(state)))
    console.print("All topics are there")


@app.command(epilog="Example: quadrille migrate")
def migrate(state: State = STATE) -> None:
    """Bring the database of every service to its newest version."""
    names = run(system.migrate(system.settings(state)))
    console.print(f"Migrated {', '.join(names)}")


@app.command("demo", epilog="Example: quadrille demo")
def demonstrate(state: State = STATE) -> None:
    """Watch real checkouts, the failing ones compensated; starts what is not running and stops it again.

    Exit code 0 only if every scenario and the audit were right.
    """
    if not run(demo(state, console, Lines(console).progress)):
        raise typer.Exit(WRONG)


@app.command("bench", epilog="Example: quadrille bench --checkouts 5000 --gateway http")
def measure(
    checkouts: Annotated[int, typer.Option(min=500, help="Checkouts to measure.")] = 4000,
    gateway: Annotated[Literal["instant", "http"], typer.Option(help="Approve in-process, or the sandbox.")] = "instant",
    state: State = Path(".quadrille/bench"),
    as_json: Json = False,
) -> None:
    """Measure confirmed checkouts per second, latency and cost, on an embedded stack of its own.

    Exit code 1 where the audit finds anything wrong.
    """
    lines = Lines(Console(stderr=True, highlight=False))
    result = run(bench(state, checkouts, gateway, lines.progress))
    if as_json:
        console.print_json(json.dumps(asdict(result)))
    else:
        show_bench(result, console)
    if result.violations:
        raise typer.Exit(WRONG)


@app.command("audit", epilog="Example: quadrille audit --json")
def check_invariants(
    state: State = STATE,
    as_json: Json = False,
    patience: Annotated[float, typer.Option(help="Seconds to wait for checkouts in flight.")] = 30.0,
) -> None:
    """Check the invariants of the choreography against the databases and the gateway's ledger.

    Exit code 1 where one is broken; each violation is named.
    """
    report = run(audit(system.settings(state), patience=patience))
    if as_json:
        console.print_json(json.dumps(asdict(report)))
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(WRONG)


if __name__ == "__main__":
    app()
