"""The command ``quadrille``.

Commands import what they need when they run, so that help and ``quadrille trace`` start fast.
"""

import contextlib
import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer

from cli.alerts.commands import app as alerts
from cli.dlq.commands import app as dlq
from cli.payments.commands import app as payments
from cli.shell import HELP_WIDTH, STATE, WRONG, Commands, Json, State, console, print_json, report_errors, run

app = Commands(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    # typer imports pydantic to read a flag without a default, which would make help slow
    context_settings={
        "max_content_width": HELP_WIDTH,
        "default_map": dict.fromkeys(("help", "install_completion", "show_completion"), False),
    },
    help="A checkout run by four services that react to each other's events on Kafka.",
    epilog="Example: quadrille status. Exit codes: 0 success, 1 a problem was found, 2 could not run; the last line says why.",
)
topics = typer.Typer(no_args_is_help=True, help="Create and check Kafka topics.", epilog="Example: quadrille topics check")
journal = typer.Typer(no_args_is_help=True, help="Maintain the journal.", epilog="Example: quadrille journal rebuild")
for name, group in {"topics": topics, "dlq": dlq, "alerts": alerts, "payments": payments, "journal": journal}.items():
    app.add_typer(group, name=name)


def _print_version(asked: bool) -> None:
    if asked:
        console.print(f"quadrille {version('quadrille')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of ``quadrille`` itself."""


@app.command(epilog="Example: quadrille status --json")
def status(state: State = STATE, as_json: Json = False) -> None:
    """Show the health of every process.

    Includes Kafka and PostgreSQL. Exit code 1 if one of them is not ready.
    """
    from cli import system
    from cli.status import states_of
    from cli.table import Table, text

    running = system.find(state)
    if running is None:
        sys.stderr.write(f"nothing is running in {state}\n")
        raise typer.Exit(WRONG)
    states = run(states_of(running))
    if as_json:
        print_json(states)
    else:
        table = Table("process", "ready", text("partitions", 6), text("problem"), "address")
        for name, health in states.items():
            owned = health.get("partitions")
            partitions = ",".join(map(str, owned)) if isinstance(owned, list) else ""
            ready, problem = "yes" if health["ready"] else "NO", str(health.get("trouble") or "")
            table.add_row(name, ready, partitions, problem, str(health["address"]))
        table.print(console)
    if not all(health["ready"] for health in states.values()):
        raise typer.Exit(WRONG)


@app.command(epilog='Example: eval "$(quadrille env)"')
def env(state: State = STATE, as_json: Json = False) -> None:
    """Print a Kafka client's environment variables as shell exports.

    Other quadrille commands work as before when these variables are set.
    """
    import shlex

    from cli import system

    with report_errors():
        variables = system.client_environment(state)
    if as_json:
        print_json(variables)
    else:
        for variable, value in variables.items():
            sys.stdout.write(f"export {variable}={shlex.quote(value)}\n")


@app.command(epilog="""Example: echo '{"type": "PreviewCheckout", "data": {"cart_id": "c1"}}' | quadrille send -""")
def send(
    file: Annotated[
        typer.FileText,
        typer.Argument(help="File of JSON lines; - for standard input.", encoding="utf-8", errors="surrogateescape"),
    ],
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Publish commands from JSON lines.

    Checks every line before it sends any command, and prints the id of each.
    """
    import json

    from cli import send as sending
    from cli import system
    from shared.client import CheckoutClient

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
    """Create missing topics.

    Partitions, replicas, sizes and compression are those of the settings.
    """
    from cli import system
    from cli.topics import run_create

    run(run_create(system.settings(state), console))


@topics.command("check", epilog="Example: quadrille topics check --json")
def check_topics(state: State = STATE, as_json: Json = False) -> None:
    """List topic and broker settings that the services do not accept.

    Checks partitions, replicas, cleanup policy, retention, timestamps, sizes, compression and the transaction timeout.
    REFUSED marks a topic that could lose messages: its services refuse to start. Exit code 1 if anything differs.
    """
    from cli import system
    from cli.topics import run_check

    if not run(run_check(system.settings(state), console, as_json=as_json)):
        raise typer.Exit(WRONG)


@app.command(epilog="Example: quadrille migrate")
def migrate(state: State = STATE) -> None:
    """Upgrade the schema of every service's database."""
    from cli import system
    from shared.contract.services import DATABASES

    run(system.migrate(system.settings(state)))
    console.print(f"Migrated {', '.join(DATABASES)}")


@app.command(epilog="Example: quadrille audit --json")
def audit(
    state: State = STATE,
    as_json: Json = False,
    patience: Annotated[float, typer.Option(help="Seconds to wait for checkouts in flight.")] = 30.0,
    at_rest: Annotated[bool, typer.Option("--at-rest", help="Fail if any checkout is still in flight.")] = False,
) -> None:
    """Check the invariants across databases and gateway.

    Compares the databases with each other and with the gateway's ledger. On a live shop, only violations that persist for
    the whole check are reported. Exit code 1 if there are any.
    """
    from cli import audit, system
    from cli.audit.show import show

    report = run(audit.audit(system.settings(state), patience=patience, at_rest=at_rest))
    if as_json:
        print_json(report)
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(WRONG)


@app.command(epilog="Examples: quadrille trace 1001; quadrille trace cart-7f3a --follow; quadrille trace Q-0001001 --json")
def trace(
    name: Annotated[
        str,
        typer.Argument(
            help="Order number, checkout, cart, payment, SKU, coupon or message; a unique prefix is enough"
            " (of a message id, at least 8 characters)."
        ),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events until the checkout is finished.")
    ] = False,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Show what happened to an order, cart, payment or SKU.

    Shows which event caused which, and what each checkout waits for. An order may be named by its digits alone. Exit code 1
    if a step is overdue or needs a person, 2 if the name matches nothing or more than one thing.
    """
    from cli import system
    from cli.trace import run_trace

    with contextlib.suppress(KeyboardInterrupt):
        if not run(run_trace(system.settings(state), name, console, follow=follow, as_json=as_json)):
            raise typer.Exit(WRONG)


@app.command(epilog="Example: quadrille stuck --json")
def stuck(state: State = STATE, as_json: Json = False) -> None:
    """List checkouts that wait for longer than they should.

    Grouped by the event they wait for. Exit code 1 if there are any.
    """
    from cli import system
    from cli.stuck import run_stuck

    if not run(run_stuck(system.settings(state), console, as_json=as_json)):
        raise typer.Exit(WRONG)


@app.command(epilog="Examples: quadrille lag --group 'quadrille.*'; quadrille lag --watch; quadrille lag --fail-above 30s")
def lag(
    group: Annotated[str, typer.Option(help="Only groups with this name; * and ? are wildcards.")] = "*",
    topic: Annotated[str, typer.Option(help="Only topics with this name; * and ? are wildcards.")] = "*",
    partitions: Annotated[
        bool, typer.Option("--partitions", help="Show every partition, not only those with lag or a problem.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    fail_above: Annotated[
        str | None,
        typer.Option(
            metavar="N|SECONDS", help="Exit with code 1 if a group's lag is higher: 1000 (records), or 30s, 5m, 1h (age)."
        ),
    ] = None,
    window: Annotated[
        float | None, typer.Option(min=0, help="Observation window in seconds (default 6; 0 with --fail-above).")
    ] = None,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Show the lag of all consumer groups.

    Includes groups of other programs. For each group, topic and partition: committed offset, end offset, lag, age of the
    oldest unread record, records per second in and out, time to catch up, and status. OK: keeps up. WARN: the lag never
    fell. HELD: an open transaction blocks the records; its producer is named below the table. REWIND: the offset went back.
    STALL: records wait and the offset does not move. STOP: as STALL, and no consumer is assigned. Rates and status need an
    observation window.
    """
    from cli import system
    from cli.lag.run import Query, run_lag, watch_lag

    if watch and fail_above:
        raise typer.BadParameter("cannot be used with --watch", param_hint="--fail-above")
    query = Query(group, topic, partitions, as_json)
    if watch:
        run(watch_lag(system.settings(state), console, query))
    elif not run(run_lag(system.settings(state), console, query, fail_above, window)):
        raise typer.Exit(WRONG)


@journal.command("rebuild", epilog="Example: quadrille journal rebuild")
def rebuild_journal(state: State = STATE, as_json: Json = False) -> None:
    """Rebuild the journal from all topics.

    The journal service may run meanwhile. Entries whose records are no longer in the topics are kept. Exit code 2 if
    another rebuild is running.
    """
    from cli import system
    from cli.rebuild import run_rebuild

    run(run_rebuild(system.settings(state), console, as_json=as_json))


for command in entry_points(group="quadrille.commands"):  # of devstack and proofs, if they are installed
    command.load()(app)

if __name__ == "__main__":
    app()
