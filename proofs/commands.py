"""The commands of the proofs: bench, chaos and simulation."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cli.shell import WRONG, Commands, Json, State, console, run
from devstack.output import Lines


def add(app: Commands) -> None:
    """Add them to ``quadrille`` (the entry point ``quadrille.commands``)."""
    app.command(epilog="Example: quadrille bench --checkouts 5000 --gateway http")(bench)
    app.command(epilog="Example: quadrille chaos --minutes 30 --seed 7 --rate 6")(chaos)
    app.command(epilog="Examples: quadrille simulate --checkouts 1000000 --seed 7; quadrille simulate --replay 42")(simulate)


def bench(
    checkouts: Annotated[int, typer.Option(min=500, help="Checkouts to measure.")] = 4000,
    gateway: Annotated[Literal["instant", "http"], typer.Option(help="Approve in-process, or the sandbox.")] = "instant",
    state: State = Path(".quadrille/bench"),
    as_json: Json = False,
) -> None:
    """Measure confirmed checkouts per second, latency and cost, on an embedded stack of its own.

    Exit code 1 where the audit finds anything wrong.
    """
    from proofs.bench.run import bench, show

    lines = Lines(Console(stderr=True, highlight=False))
    result = run(bench(state, checkouts, gateway, lines.progress))
    if as_json:
        console.print_json(json.dumps(asdict(result)))
    else:
        show(result, console)
    if result.violations:
        raise typer.Exit(WRONG)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long, where every recovery is quick.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Decides which faults come when, and what customers do.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=100, help="Customers a second.")] = 5.0,
    brokers: Annotated[Literal["1", "3"], typer.Option(help="Kafka brokers.")] = "1",
    state: State = Path(".quadrille/chaos"),
    as_json: Json = False,
) -> None:
    """Break everything that can break, under load, on an embedded stack of its own; then check that everything is right.

    Faults of processes, brokers, database, network, gateway, clocks and records, by a seeded schedule, singly and in pairs.
    Exit code 1 for any violation.
    """
    from proofs.chaos.report import as_json as report_as_json
    from proofs.chaos.report import show
    from proofs.chaos.run import chaos

    report = run(chaos(state, minutes, seed, rate, int(brokers), Lines(Console(stderr=True, highlight=False)).progress))
    if as_json:
        console.print_json(json.dumps(report_as_json(report)))
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(WRONG)


def simulate(
    checkouts: Annotated[int, typer.Option(min=1, help="Checkouts to go through.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="The first story.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes to use.")] = os.cpu_count() or 1,
    replay: Annotated[int | None, typer.Option(min=0, help="Show one story, line by line.")] = None,
    every_order: Annotated[bool, typer.Option("--every-order", help="Go through every order of small cases.")] = False,
    as_json: Json = False,
) -> None:
    """Play checkouts on the real reactions in a simulated world where everything goes wrong that can; no stack is needed.

    Exit code 1 where an invariant is broken: the story is cut down to the shortest found that breaks the same, and shown.
    """
    from proofs.simulation import command

    say = Lines(Console(stderr=True, highlight=False)).progress
    if replay is not None:
        right, data, show_it = command.play_again(replay)
    elif every_order:
        right, data, show_it = command.every_order(say)
    else:
        right, data, show_it = command.simulate(checkouts, seed, jobs, say)
    if as_json:
        console.print_json(json.dumps(data))
    else:
        show_it(console)
    if not right:
        raise typer.Exit(WRONG)
