"""The survivors that are no gap in the tests, each with the reason, in ``explained.toml``."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proofs.mutation.mutants import Mutant

FILE: Final = Path(__file__).with_suffix(".toml")

Key = tuple[str, str, str, str]


def reasons() -> dict[Key, str]:
    """Why a mutant may live, by its key."""
    entries = tomllib.loads(FILE.read_text()).get("survivor", [])
    return {(e["path"], e["where"], e["was"], e["becomes"]): e["because"] for e in entries}


def outdated(explained: Iterable[Key], survivors: Iterable[Mutant], paths: Iterable[str]) -> list[Key]:
    """What is explained of these modules and does not survive: the code or a test has changed."""
    alive, looked_at = {mutant.key for mutant in survivors}, set(paths)
    return [key for key in explained if key[0] in looked_at and key not in alive]
