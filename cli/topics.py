"""``quadrille topics``: create the topics, and compare their settings with what the services need."""

from dataclasses import asdict

from rich.console import Console

from cli.shell import print_json
from shared.contract.text import counted
from shared.contract.topics import TOPICS
from shared.runtime.kafka.topics import compare_topics, create_topics
from shared.settings import Settings


async def run_check(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Print the settings that differ from what the services need; returns whether there are none."""
    found = await compare_topics(settings)
    starts = not any(one.refused for one in found)
    if as_json:
        differences = [{**asdict(one), "sentence": one.sentence} for one in found]
        print_json({"topics": len(TOPICS), "services_start": starts, "differences": differences}, console)
        return not found
    for one in found:
        console.print(f"{'REFUSED' if one.refused else 'differs'}  {one.sentence}", markup=False, soft_wrap=True)
    if not found:
        console.print(f"All {len(TOPICS)} topics have the settings that the services need")
    elif not starts:
        console.print("Services refuse to start with a topic marked REFUSED", markup=False, soft_wrap=True)
    return not found


async def run_create(settings: Settings, console: Console) -> None:
    """Create the missing topics, and print how many settings of the others differ."""
    made = await create_topics(settings)
    console.print(f"Created {', '.join(made)}" if made else "All topics exist", soft_wrap=True)
    if found := await compare_topics(settings):
        console.print(f"{counted(len(found), 'setting')} not as the services need: run `quadrille topics check`")
