"""The lines the documents show for ``quadrille send`` are sent by it, to a real broker, and read back as they were meant."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from devstack.reference import choreography, pages
from devstack.reference.examples import example
from shared.contract.envelope import Record, read
from shared.contract.message import Message
from shared.contract.registry import MESSAGES
from shared.runtime.kafka.topics import create_topics
from shared.settings import load
from tests.support import topics
from tests.support.stacks import Stack

ROOT = pages.source()


def shown() -> list[str]:
    """Every line for ``quadrille send`` in the documents."""
    text = "".join((ROOT / "docs/reference" / page).read_text() for page in ("commands.md", "events.md"))
    return [line for line in text.splitlines() if line.startswith('{"type": ')]


def send(lines: Path, environment: Mapping[str, str]) -> list[str]:
    """What the command prints."""
    command = [sys.executable, "-m", "cli.main", "send", str(lines)]
    everything = {**os.environ, **environment}
    sent = subprocess.run(command, cwd=ROOT, env=everything, capture_output=True, text=True, check=False)
    assert sent.returncode == 0, sent.stderr
    return sent.stdout.splitlines()


async def test_the_documents_lines_can_be_sent(stack: Stack, tmp_path: Path) -> None:
    environment = {**stack.environment, "QUADRILLE_TOPIC_PREFIX": f"docs-{os.getpid()}."}
    settings = load(environment)
    await create_topics(settings)
    (tmp_path / "lines.jsonl").write_text("\n".join(shown()))
    printed = await asyncio.to_thread(send, tmp_path / "lines.jsonl", environment)

    outside = [kind for kind in MESSAGES.values() if choreography.from_outside(kind)]
    assert len(printed) == len(outside)
    arrived: list[Message] = []
    for topic, count in Counter(kind.topic for kind in outside).items():
        for r in await topics.records(settings, topic, count):
            record = Record(topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
            arrived.append(read(record)[1])
    meant = [kind.model_validate_json(json.dumps(example(kind))) for kind in outside]
    assert sorted(map(repr, arrived)) == sorted(map(repr, meant))
