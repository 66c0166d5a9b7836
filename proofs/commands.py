"""The commands ``bench``, ``chaos`` and ``simulate``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cli.shell import WRONG, Commands, Json, State, console, print_json, run


def add(app: Commands) -> None:
    """Add them to ``quadrille`` (the entry point ``quadrille.commands``)."""
    app.command(epilog="Example: quadrille bench --gateway http; quadrille bench --against v0.1.0")(bench)
    app.command(epilog="Example: quadrille chaos --minutes 30 --seed 7 --rate 6")(chaos)
    app.command(epilog="Examples: quadrille simulate --checkouts 1000000 --seed 7; quadrille simulate --replay 42")(simulate)


def _progress() -> Callable[[str], None]:
    """Prints progress on standard error."""
    from devstack.output import Lines

    return Lines(Console(stderr=True, highlight=False)).progress


def bench(
    gateway: Annotated[Literal["instant", "http"], typer.Option(help="Approve in-process, or call the sandbox.")] = "instant",
    members: Annotated[int, typer.Option(min=1, max=2, help="Processes of each of the four services.")] = 1,
    seconds: Annotated[int, typer.Option(min=2, help="Seconds at each rate.")] = 10,
    against: Annotated[str | None, typer.Option(help="Another revision of this repository, to run in turn with this.")] = None,
    state: State = Path(".quadrille/bench"),
    as_json: Json = False,
) -> None:
    """Measure latency, cost and the top rate of checkouts.

    Runs on an embedded stack of its own. Exit code 1 if the audit finds a violation.
    """
    from proofs.bench.run import Bench, compare, show

    chosen = Bench(state, gateway, members, seconds, _progress())
    results = run(compare(chosen, against)) if against else [run(chosen.run())]
    if as_json:
        print_json(results)
    else:
        show(results, console)
    if any(result.violations for result in results):
        raise typer.Exit(WRONG)


def chaos(
    minutes: Annotated[float, typer.Option(min=0.5, help="Minutes to run, if every recovery is quick.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of the fault schedule and of customer behaviour.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=100, help="Customers per second.")] = 5.0,
    brokers: Annotated[Literal["1", "3"], typer.Option(help="Number of Kafka brokers.")] = "1",
    state: State = Path(".quadrille/chaos"),
    as_json: Json = False,
) -> None:
    """Inject faults under load, then check all invariants.

    Runs on an embedded stack of its own. Injects faults of processes, brokers, database, network, gateway, clocks and
    records on a seeded schedule, one or two at a time. Exit code 1 if an invariant is violated.
    """
    from proofs.chaos.report import as_json as report_as_json
    from proofs.chaos.report import show
    from proofs.chaos.run import chaos

    report = run(chaos(state, minutes, seed, rate, int(brokers), _progress()))
    if as_json:
        print_json(report_as_json(report))
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(WRONG)


def simulate(
    checkouts: Annotated[int, typer.Option(min=1, help="Number of checkouts to simulate.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first case.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = os.cpu_count() or 1,
    replay: Annotated[int | None, typer.Option(min=0, help="Replay the case with this seed and print every step.")] = None,
    every_order: Annotated[bool, typer.Option("--every-order", help="Try every order of messages in small cases.")] = False,
    as_json: Json = False,
) -> None:
    """Simulate checkouts with faults, without Kafka or a database.

    Runs the real reactions. Exit code 1 if an invariant is violated: the case is reduced to the shortest that violates the
    same invariant, and printed.
    """
    from proofs.simulation import command

    if replay is not None:
        right, data, show_it = command.play_again(replay)
    elif every_order:
        right, data, show_it = command.every_order(_progress())
    else:
        right, data, show_it = command.simulate(checkouts, seed, jobs, _progress())
    if as_json:
        print_json(data)
    else:
        show_it(console)
    if not right:
        raise typer.Exit(WRONG)
