"""The commands of one machine: what runs there, the demo, and the documents made from the code."""

import asyncio
import contextlib
import sys
import time
from functools import partial

import typer

from cli.shell import STATE, WRONG, Commands, State, console, later, refusals, run, stop_signals


def add(app: Commands) -> None:
    """Add them to ``quadrille`` (the entry point ``quadrille.commands``)."""
    app.command(epilog="Example: quadrille up --state .quadrille")(up)
    app.command(epilog="Example: quadrille down")(down)
    app.command(epilog="Example: quadrille demo")(demo)
    about = "The documents that are generated from the contract and the reactions."
    app.add_typer(later("devstack.reference.command", about, "quadrille docs check"), name="docs")


def up(state: State = STATE) -> None:
    """Start broker, database, gateway and services; stay in front. Ctrl-C stops all.

    Where QUADRILLE_KAFKA_BOOTSTRAP_SERVERS is set, that broker and the databases of the settings are used instead.
    """
    from devstack.output import Lines
    from devstack.up import Running
    from shared.settings import load

    async def work() -> None:
        lines = Lines(console)
        stopped = asyncio.Event()
        started = time.monotonic()
        progress = lines.progress if console.is_terminal else partial(lines.say, "quadrille")
        running = Running(state, {}, lines.say, progress)
        with stop_signals(stopped.set):
            await running.start()
            settings = load(running.environment)
            progress(f"Kafka is at {settings.kafka_bootstrap_servers}, the console at {settings.console_address}")
            progress(f"Quadrille is up after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
            await stopped.wait()
            progress("Stopping")
            await running.stop()

    run(work())


def down(state: State = STATE) -> None:
    """Stop what `up` started in this folder, wherever it runs."""
    from cli import system
    from devstack.up import stop_leftovers

    found = system.find(state)
    if found is None:
        with refusals():
            console.print("Stopped what a crash left behind" if stop_leftovers(state) else "Nothing runs here")
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


def demo(state: State = STATE) -> None:
    """Watch real checkouts, the failing ones compensated; starts what is not running and stops it again.

    Exit code 0 only if every scenario and the audit were right.
    """
    from devstack.demo.run import demo
    from devstack.output import Lines

    if not run(demo(state, console, Lines(console).progress)):
        raise typer.Exit(WRONG)
