"""An audit's report, for people."""

from rich.console import Console
from rich.markup import escape

from cli.audit.invariants import Report
from cli.table import Table, number, text


def show(report: Report, console: Console) -> None:
    """What was checked, and each violation."""
    console.print(
        f"Audit: {report.checkouts} checkouts ({report.in_flight} in flight), {report.orders} orders,"
        f" {report.open_alerts} open alerts; money checked against the gateway's ledger"
    )
    if not report.violations:
        console.print("[green]No invariant is broken[/]")
        return
    table = Table(number("invariant"), "subject", text("what is wrong"))
    for violation in report.violations:
        table.add_row(str(violation.invariant), escape(violation.subject), escape(violation.wrong))
    table.print(console)
    console.print(f"[red]{len(report.violations)} violations[/]")
