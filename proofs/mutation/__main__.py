"""``python -m proofs.mutation services/order``: changes the rules in many small ways, and sees whether a test fails."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from proofs.mutation.explained import Key, outdated, reasons
from proofs.mutation.mutants import Mutant, mutants_of
from proofs.mutation.runner import Outcome, run
from shared.contract.services import SERVICES

TESTS: Final = {
    "shared/money.py": ["tests/unit/money", "tests/unit/order"],
    "services/order/coupon.py": ["tests/unit/order"],
    "services/order/rules.py": ["tests/unit/order"],
    "services/order/totals.py": ["tests/unit/order"],
    "services/payment/answers.py": ["tests/unit/payment"],
    **{f"services/{name}/{part}.py": [f"tests/unit/{name}"] for name in SERVICES for part in ("model", "reactions")},
}
"""The modules that hold the rules, and the tests that should hold on to them; what others import comes before them."""

COLUMNS: Final = ("mutants", "killed", "timed out", "explained", "survived")
FIELDS: Final = ("path", "where", "was", "becomes")
EPILOG: Final = """Examples:

python -m proofs.mutation                        every module of the rules (half an hour of a processor)

python -m proofs.mutation services/order         those of a folder

python -m proofs.mutation services/cart/model.py --json"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)
console = Console(soft_wrap=True)


@dataclass
class Result:
    """What became of the mutants of one module. ``outdated``: what is explained, and is dead or gone."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    unexplained: list[Mutant] = field(default_factory=list)
    outdated: list[Key] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every mutant is killed or explained, and nothing is explained in vain."""
        return not self.unexplained and not self.outdated


def examine(path: str, tests: list[str], tell: Callable[[Mutant], None]) -> Result:
    """Run the tests on every mutant of a module, and tell at once of each that survives unexplained."""
    result, explained, survivors = Result(), reasons(), []
    for mutant, outcome in run(mutants_of(Path(path)), tests):
        result.outcomes[outcome] += 1
        if outcome == "survived":
            survivors.append(mutant)
            if mutant.key not in explained:
                result.unexplained.append(mutant)
                tell(mutant)
    result.outdated = outdated(explained, survivors, [path])
    return result


def chosen(path: Path | None, tests: list[str] | None) -> dict[str, list[str]]:
    """The modules to change, and the tests of each."""
    if path is None:
        return TESTS
    if path.suffix == ".py" and tests:
        return {str(path): tests}
    found = {module: tests or own for module, own in TESTS.items() if Path(module).is_relative_to(path)}
    if not found:
        raise typer.BadParameter(f"no module of the rules is in {path}; for another file say --tests, too")
    return found


@app.command(epilog=EPILOG)
def main(
    path: Annotated[Path | None, typer.Argument(help="A folder or a module; all where there is none.")] = None,
    tests: Annotated[list[str] | None, typer.Option(help="Tests to run in place of the module's own; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Change the rules in many small ways, and see whether a test fails.

    What survives and is not explained in proofs/mutation/explained.toml ends it with exit code 1.
    """
    began = time.monotonic()
    results = {}
    for module, own in chosen(path, tests).items():
        results[module] = examine(module, own, (lambda _: None) if as_json else show)
        if not as_json:
            counts = ", ".join(f"{number:,} {name}" for name, number in zip(COLUMNS, numbers(results[module]), strict=True))
            console.print(f"[dim]{module}: {counts}, after {time.monotonic() - began:.0f} s[/]")
        for key in () if as_json else results[module].outdated:
            console.print(f"[yellow]explained, and does not survive:[/] in {key[1]}\n{escape(diff(*key[2:]))}")
    if as_json:
        typer.echo(json.dumps(as_data(results, time.monotonic() - began), indent=2))
    else:
        console.print(table(results))
    raise typer.Exit(not all(result.good for result in results.values()))


def show(mutant: Mutant) -> None:
    """A survivor, as a short diff."""
    console.print(f"[red]survived[/] in {mutant.where}\n{escape(diff(mutant.was, mutant.becomes))}")


def diff(was: str, becomes: str) -> str:
    """The lines that differ."""
    return "\n".join(f"  {sign} {line}" for sign, lines in (("-", was), ("+", becomes)) for line in lines.splitlines())


def table(results: dict[str, Result]) -> Table:
    """Of every module, and of all."""
    counts = {module: numbers(result) for module, result in results.items()}
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    shown = Table("module", show_footer=len(counts) > 1)
    for name, total in zip(COLUMNS, totals, strict=True):
        shown.add_column(name, f"{total:,}", justify="right")
    for module, row in counts.items():
        shown.add_row(module, *(f"{number:,}" for number in row))
    return shown


def numbers(result: Result) -> tuple[int, ...]:
    """As in :data:`COLUMNS`; what timed out counts as killed by that."""
    counted = result.outcomes
    return (
        counted.total(),
        counted["killed"],
        counted["timed out"],
        counted["survived"] - len(result.unexplained),
        len(result.unexplained),
    )


def as_data(results: dict[str, Result], seconds: float) -> dict[str, Any]:
    """All of it, to be written as JSON."""
    return {
        "seconds": round(seconds, 1),
        "modules": {
            module: {
                **dict(zip(COLUMNS, numbers(result), strict=True)),
                "survivors": [dict(zip(FIELDS, mutant.key, strict=True)) for mutant in result.unexplained],
                "outdated": [dict(zip(FIELDS, key, strict=True)) for key in result.outdated],
            }
            for module, result in results.items()
        },
    }


if __name__ == "__main__":
    app()
