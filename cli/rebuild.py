"""``quadrille journal rebuild``."""

import time
from dataclasses import asdict
from typing import Final

from rich.console import Console

from cli.shell import print_json
from services.journal.rebuild import rebuild
from shared.runtime.kafka import patches
from shared.settings import Settings

PROGRESS_SECONDS: Final = 2.0


async def run_rebuild(settings: Settings, console: Console, *, as_json: bool) -> None:
    """Rebuild the journal and print its progress. Raises what :func:`services.journal.rebuild.rebuild` raises."""
    patches.install()
    errors = Console(stderr=True, highlight=False)
    started = printed = time.monotonic()

    def progress(done: int, of: int) -> None:
        nonlocal printed
        if (now := time.monotonic()) - printed >= PROGRESS_SECONDS or done == of:
            printed = now
            errors.print(f"{done} of {of} records", soft_wrap=True)

    rebuilt = await rebuild(settings, progress)
    seconds = time.monotonic() - started
    if as_json:
        print_json({**asdict(rebuilt), "seconds": round(seconds, 3)}, console)
    else:
        console.print(f"Read {rebuilt.records} records in {seconds:.1f} s; the journal has {rebuilt.checkouts} checkouts")
