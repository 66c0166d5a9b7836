"""Help and trace start fast: they import no heavy library."""

import subprocess
import sys

HEAVY = {"sqlalchemy", "alembic", "aiokafka", "aiohttp", "apprise", "faust", "psycopg"}


def imported(modules: str) -> set[str]:
    """The libraries that are imported with these modules."""
    code = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_help_and_trace_import_no_heavy_library() -> None:
    for arguments in (["--help"], ["alerts", "--help"], ["--version"]):
        help_only = f"cli.main; cli.main.app({arguments}, standalone_mode=False)"
        assert not imported(help_only) & (HEAVY | {"asyncio", "asyncpg", "pydantic"})
    assert not imported("cli.main, cli.system, cli.trace, cli.stuck") & HEAVY
