"""What is noted in a state folder, for its owner alone: it holds passwords."""

import json
from pathlib import Path
from typing import Any


def write_secret(path: Path, content: object) -> None:
    """Write JSON that only its owner may read. Whoever reads at the same time gets the old or the new."""
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)  # one that a crash left may be open to others
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content, indent=1))
    partial.rename(path)


def read(path: Path) -> dict[str, Any]:
    """What was noted, or nothing where nothing can be read."""
    try:
        noted: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return noted
