"""The report of an audit as text."""

from rich.console import Console
from rich.markup import escape

from cli.audit.invariants import Report
from cli.table import Table, number, text
from shared.contract.text import counted


def show(report: Report, console: Console) -> None:
    """Print what was checked, and every violation."""
    console.print(
        f"Audit: {counted(report.checkouts, 'checkout')} ({report.in_flight} in flight), {counted(report.orders, 'order')},"
        f" {counted(report.open_alerts, 'open alert')}; payments compared with the gateway's ledger"
    )
    if not report.violations:
        console.print("[green]No violations[/]")
        return
    table = Table(number("invariant"), "subject", text("violation"))
    for violation in report.violations:
        table.add_row(str(violation.invariant), escape(violation.subject), escape(violation.wrong))
    table.print(console)
    console.print(f"[red]{counted(len(report.violations), 'violation')}[/]")
