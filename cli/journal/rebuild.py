"""``quadrille journal rebuild``, with its progress."""

import json
import time
from dataclasses import asdict
from typing import Final

from rich.console import Console

from services.journal.rebuild import rebuild
from shared.runtime.kafka import patches
from shared.settings import Settings

EVERY_SECONDS: Final = 2.0
"""How often progress is told."""


async def run_rebuild(settings: Settings, console: Console, *, as_json: bool) -> None:
    """Rebuild the journal and say what was done. Raises what :func:`services.journal.rebuild.rebuild` raises."""
    patches.install()
    errors = Console(stderr=True, highlight=False)
    started = told = time.monotonic()

    def progress(done: int, of: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= EVERY_SECONDS or done == of:
            told = now
            errors.print(f"{done} of {of} records", soft_wrap=True)

    rebuilt = await rebuild(settings, progress)
    seconds = time.monotonic() - started
    if as_json:
        console.print_json(json.dumps({**asdict(rebuilt), "seconds": round(seconds, 3)}))
    else:
        console.print(f"Rebuilt from {rebuilt.records} records in {seconds:.1f} s: {rebuilt.checkouts} checkouts are known")
