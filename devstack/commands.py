"""The commands of one machine: ``up``, ``down``, ``demo`` and ``docs``."""

import contextlib
import sys
import time
from functools import partial

import typer

from cli.shell import STATE, WRONG, Commands, State, console, report_errors, run, stop_signals
from devstack.reference.command import app as docs


def add(app: Commands) -> None:
    """Add them to ``quadrille`` (the entry point ``quadrille.commands``)."""
    app.command(epilog="Example: quadrille up --state .quadrille")(up)
    app.command(epilog="Example: quadrille down")(down)
    app.command(epilog="Example: quadrille demo")(demo)
    app.add_typer(docs, name="docs")


def up(state: State = STATE) -> None:
    """Start Kafka, PostgreSQL, a sandbox gateway and all services.

    Stays in the foreground; Ctrl-C stops everything. If QUADRILLE_KAFKA_BOOTSTRAP_SERVERS is set, that broker and the
    databases of the settings are used instead.
    """
    import asyncio

    from devstack.output import Lines
    from devstack.up import Running
    from shared.settings import load

    async def work() -> None:
        lines = Lines(console)
        stopped = asyncio.Event()
        started = time.monotonic()
        progress = lines.progress if console.is_terminal else partial(lines.log, "quadrille")
        running = Running(state, {}, lines.log, progress, lasting=True)
        with stop_signals(stopped.set):
            await running.start()
            settings = load(running.environment)
            progress(f"Kafka: {settings.kafka_bootstrap_servers}, console: {settings.console_address}")
            progress(f"Quadrille is up after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
            await stopped.wait()
            progress("Stopping")
            await running.stop()

    run(work())


def down(state: State = STATE) -> None:
    """Stop what `quadrille up` started in this state folder."""
    from cli import system
    from devstack.up import stop_leftovers

    found = system.find(state)
    if found is None:
        with report_errors():
            console.print("Stopped what a crash left running" if stop_leftovers(state) else f"Nothing is running in {state}")
        raise typer.Exit(0)
    process = found.owner.find()
    if process is not None:
        process.terminate()
        with contextlib.suppress(Exception):
            process.wait(60)
    if found.owner.find():
        sys.stderr.write(f"process {found.owner.pid} did not stop within 60 s\n")
        raise typer.Exit(WRONG)
    console.print("Stopped")


def demo(state: State = STATE) -> None:
    """Run checkout scenarios on real Kafka and PostgreSQL.

    Many of them fail and are compensated. If nothing is running, starts everything and stops it again. Exit code 1 if a
    scenario or the audit fails.
    """
    from devstack.demo.run import demo
    from devstack.output import Lines

    if not run(demo(state, console, Lines(console).progress)):
        raise typer.Exit(WRONG)
