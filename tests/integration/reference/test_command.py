"""``quadrille docs`` in a copy of the source, where a message is broken for real."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.reference import pages

ROOT = pages.source()
COPIED = ("cli", "deploy", "devstack", "docs", "services", "shared")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source, to be changed at will."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("README.md", ".env.example", "docker-compose.yml", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def docs(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``quadrille docs`` of the copy, without the other commands."""
    command = [sys.executable, "-c", "from devstack.reference.command import app; app()", *arguments]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def replace(file: Path, old: str, new: str) -> None:
    """Change the one place in a file."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_a_break_is_found_refused_and_may_be_accepted(copy: Path) -> None:
    replace(copy / "shared/contract/order.py", '    total: int\n    """Minor', '    total: int | None\n    """Minor')
    checked = docs(copy, "check", "--json")
    assert checked.returncode == 1, checked.stderr
    found = json.loads(checked.stdout)
    assert found["breaks"] == ["OrderConfirmed.v1 total: today's writers may say null, and yesterday's readers do not take it"]
    assert "docs/reference/schemas/OrderConfirmed.v1.json" in found["outdated"]

    refused = docs(copy, "release")
    assert refused.returncode == 1
    assert found["breaks"][0] in refused.stdout
    assert pages.released(copy) == pages.released(ROOT)

    assert docs(copy, "release", "--accept-breaks").returncode == 0
    total = pages.released(copy)["OrderConfirmed.v1.json"]["properties"]["total"]
    assert {"type": "null"} in total["anyOf"]


def test_a_story_the_reactions_do_not_tell_is_refused(copy: Path) -> None:
    replace(copy / "services/cart/reactions.py", "@reactions.on(OrderConfirmed)\n", "")
    refused = docs(copy, "write")
    assert refused.returncode == 2
    assert "emits CheckoutCompleted" in refused.stderr
