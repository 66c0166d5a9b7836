"""``quadrille topics``: what the services need of the broker's topics."""

import json
from dataclasses import asdict

from rich.console import Console

from shared.contract.topics import TOPICS
from shared.runtime.kafka.topics import compare_topics, create_topics
from shared.settings import Settings


async def run_check(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Show how the topics differ from what the services count on; returns whether they do not."""
    found = await compare_topics(settings)
    starts = not any(one.refused for one in found)
    if as_json:
        told = [{**asdict(one), "sentence": one.sentence} for one in found]
        console.print_json(json.dumps({"topics": len(TOPICS), "services_start": starts, "differences": told}))
        return not found
    for one in found:
        console.print(f"{'REFUSED' if one.refused else 'differs'}  {one.sentence}", markup=False, soft_wrap=True)
    if not found:
        console.print(f"All {len(TOPICS)} topics are as the services need them")
    elif not starts:
        console.print("A service that uses a topic marked REFUSED does not start", markup=False, soft_wrap=True)
    return not found


async def run_create(settings: Settings, console: Console) -> None:
    """Create the topics that are missing, and say how those that are there differ."""
    made = await create_topics(settings)
    console.print(f"Created {', '.join(made)}" if made else "All topics are there", soft_wrap=True)
    if found := await compare_topics(settings):
        console.print(f"{len(found)} settings differ from what the services need: see `quadrille topics check`")
