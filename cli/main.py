"""The command ``quadrille``.

What a command needs is imported when it runs: ``quadrille trace`` answers within a second, and half of that is imports.
"""

import contextlib
import json
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from typing import Annotated

import typer

from cli.shell import STATE, WRONG, Commands, Json, State, console, later, refusals, run

app = Commands(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An e-commerce checkout danced by four services over Kafka, with nobody conducting.",
    epilog="Example: quadrille demo. Exit codes: 0 right, 1 something is wrong, 2 nothing could be done; the end says why.",
)
topics = typer.Typer(no_args_is_help=True, help="The topics of the contract.", epilog="Example: quadrille topics check")
app.add_typer(topics, name="topics")
app.add_typer(
    later(
        "cli.dlq.commands",
        "Messages that could not be read or handled, and what becomes of them.",
        "quadrille dlq list --since 2h",
    ),
    name="dlq",
)
app.add_typer(
    later("cli.alerts.commands", "What needs a person: each alert says what to do about it.", "quadrille alerts list"),
    name="alerts",
)
app.add_typer(
    later(
        "cli.payments.commands",
        "What staff decide about a customer's money.",
        'quadrille payments retry-void CART.1 --why "..."',
    ),
    name="payments",
)
journal = typer.Typer(
    no_args_is_help=True, help="The journal that trace and stuck read.", epilog="Example: quadrille journal rebuild"
)
app.add_typer(journal, name="journal")


@app.command(epilog="Example: quadrille status --json")
def status(state: State = STATE, as_json: Json = False) -> None:
    """How every process of this folder is, and Kafka and PostgreSQL. Exit code 1 where one is not ready."""
    from cli import system
    from cli.status import states_of
    from cli.table import Table, words

    found = system.find(state)
    if found is None:
        sys.stderr.write(f"nothing runs in {state}\n")
        raise typer.Exit(WRONG)
    states = run(states_of(found))
    if as_json:
        console.print_json(json.dumps(states))
    else:
        table = Table("what", "ready", words("lanes", 6), words("trouble"), "address")
        for name, said in states.items():
            owned = said.get("lanes")
            lanes = ",".join(str(lane) for lane in owned) if isinstance(owned, list) else ""
            table.add_row(name, "yes" if said["ready"] else "NO", lanes, str(said.get("trouble") or ""), str(said["address"]))
        table.print(console)
    if not all(said["ready"] for said in states.values()):
        raise typer.Exit(WRONG)


@app.command("env", epilog='Example: eval "$(quadrille env)"')
def show_environment(state: State = STATE, as_json: Json = False) -> None:
    """Print the variables that a client of Kafka needs, for a shell to take; other commands work as before with them."""
    import shlex

    from cli import system

    with refusals():
        variables = system.client_environment(state)
    if as_json:
        console.print_json(json.dumps(variables))
    else:
        for name, value in variables.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


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
    """Create the topics that are missing, with the sizes and compression of the settings."""
    from cli import system
    from cli.topics import run_create

    run(run_create(system.settings(state), console))


@topics.command("check", epilog="Example: quadrille topics check --json")
def check_topics(state: State = STATE, as_json: Json = False) -> None:
    """Show every setting of the topics and brokers that differs from what the services need.

    Checks partitions, replicas, cleanup, retention, timestamps, sizes, compression and the limit for transactions. A service
    refuses to start where one of its topics may lose messages: REFUSED. Exit code 1 where anything differs.
    """
    from cli import system
    from cli.topics import run_check

    if not run(run_check(system.settings(state), console, as_json=as_json)):
        raise typer.Exit(WRONG)


@app.command(epilog="Example: quadrille migrate")
def migrate(state: State = STATE) -> None:
    """Bring the database of every service to its newest version."""
    from cli import system
    from shared.contract.services import DATABASES

    run(system.migrate(system.settings(state)))
    console.print(f"Migrated {', '.join(DATABASES)}")


@app.command("audit", epilog="Example: quadrille audit --json")
def check_invariants(
    state: State = STATE,
    as_json: Json = False,
    patience: Annotated[float, typer.Option(help="Seconds to wait for what is in flight.")] = 30.0,
    at_rest: Annotated[bool, typer.Option("--at-rest", help="Nobody shops: nothing may still be in flight then.")] = False,
) -> None:
    """Check the invariants of the choreography against the databases and the gateway's ledger.

    On a running shop what is wrong, or in flight, all the time counts, and not what has just begun.
    Exit code 1 where one is broken; each violation is named.
    """
    from cli import system
    from cli.audit import audit
    from cli.audit.show import show

    report = run(audit(system.settings(state), patience=patience, at_rest=at_rest))
    if as_json:
        console.print_json(json.dumps(asdict(report)))
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(WRONG)


@app.command(
    "trace",
    epilog="Examples: quadrille trace 1001; quadrille trace cart-7f3a --follow; quadrille trace Q-0001001 --json",
)
def tell(
    name: Annotated[
        str,
        typer.Argument(
            help="Order number, checkout, cart, payment, SKU or message. A unique prefix will do (of a message id, 8 letters)."
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Tell what is new until the story is finished.")] = False,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Tell the story of anything, what caused what, and where it stands: what it waits for, from whom, since when.

    An order may be named by its digits alone. SKUs and coupons have stories too. Exit code 1 where something of it takes
    longer than it should or needs a person, 2 where nothing or more than one thing is called so.
    """
    from cli import system
    from cli.trace.run import run_trace

    with contextlib.suppress(KeyboardInterrupt):
        if not run(run_trace(system.settings(state), name, console, follow=follow, as_json=as_json)):
            raise typer.Exit(WRONG)


@app.command("stuck", epilog="Example: quadrille stuck --json")
def list_stuck(state: State = STATE, as_json: Json = False) -> None:
    """Show every checkout that did not move for longer than its step should take, by what it waits for.

    Exit code 1 where there is any.
    """
    from cli import system
    from cli.stuck.run import run_stuck

    if not run(run_stuck(system.settings(state), console, as_json=as_json)):
        raise typer.Exit(WRONG)


@app.command(
    "lag",
    epilog="Examples: quadrille lag --group 'quadrille.*'; quadrille lag --watch; quadrille lag --fail-above 30s",
)
def show_lag(
    group: Annotated[str, typer.Option(help="Only groups with this name; * and ? stand for any characters.")] = "*",
    topic: Annotated[str, typer.Option(help="Only topics with this name, likewise.")] = "*",
    partitions: Annotated[bool, typer.Option("--partitions", help="Every partition, not only those that are behind.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show how it goes; Ctrl-C ends it.")] = False,
    fail_above: Annotated[
        str | None,
        typer.Option(metavar="N|SECONDS", help="Exit code 1 where a group is behind by more: 1000 (records), or 30s, 5m, 1h."),
    ] = None,
    window: Annotated[
        float | None, typer.Option(min=0, help="Seconds to look before judging: 6, or 0 with --fail-above, unless said.")
    ] = None,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Show how far the consumer groups of the broker are behind: ours, and any other's.

    For each group, topic and partition: the offset committed, the end, the lag, how long the oldest waiting record has
    waited, records a second in and out, the time to catch up, and the status: OK, WARN (the lag never fell), HELD (an open
    transaction holds the records back; whose it is stands below), REWIND (the offset went back), STALL (records wait and
    the offset does not move), STOP (and nobody reads them). Rates and status take a look of some seconds.
    """
    from cli import system
    from cli.lag.run import Asked, run_lag, watch_lag

    if watch and fail_above:
        raise typer.BadParameter("a check ends at once: it does not go with --watch", param_hint="--fail-above")
    asked = Asked(group, topic, partitions, as_json)
    if watch:
        run(watch_lag(system.settings(state), console, asked))
    elif not run(run_lag(system.settings(state), console, asked, fail_above, window)):
        raise typer.Exit(WRONG)


@journal.command("rebuild", epilog="Example: quadrille journal rebuild")
def rebuild_journal(state: State = STATE, as_json: Json = False) -> None:
    """Read every topic again from its beginning and write the journal anew, while its service runs or not.

    What the topics hold no more stays as it is kept. Exit code 2 where another rebuild is under way.
    """
    from cli import system
    from cli.journal.rebuild import run_rebuild

    run(run_rebuild(system.settings(state), console, as_json=as_json))


for command in entry_points(group="quadrille.commands"):  # of what is installed beside the product: devstack, proofs
    command.load()(app)

if __name__ == "__main__":
    app()
