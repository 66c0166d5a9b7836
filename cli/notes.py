"""JSON files of a state folder that only their owner may read, as they have passwords."""

import json
from pathlib import Path
from typing import Any


def write_secret(path: Path, content: object) -> None:
    """Write a file atomically. Only its owner may read it."""
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)  # a crash may have left one that others can read
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content, indent=1))
    partial.rename(path)


def read(path: Path) -> dict[str, Any]:
    """The content of a file; empty if it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content
