"""Node, for checkers that exist nowhere else. What they need is installed once, in the state folder of the tests."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / ".quadrille" / "node"
PACKAGES = {"@asyncapi/parser": "3.6.6", "happy-dom": "21.0.4", "mermaid": "12.3.0"}
OLDEST = 20
INSTALL_SECONDS, RUN_SECONDS = 300, 120


def missing() -> str | None:
    """Why Node cannot be used here, or nothing where it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not installed here: what only they can check is not checked"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major = int(version.removeprefix("v").split(".")[0])
    return None if major >= OLDEST else f"node {version} is older than {OLDEST}: what only it can check is not checked"


def require() -> None:
    """Have the packages there, in exactly these versions; skip where there is no Node."""
    if reason := missing():
        pytest.skip(reason)
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items() if _installed(name) != version]
    if wanted:
        FOLDER.mkdir(parents=True, exist_ok=True)
        everything = [f"{name}@{version}" for name, version in PACKAGES.items()]
        quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        done = subprocess.run(
            ["npm", "install", "--prefix", str(FOLDER), *quiet, *everything],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
        assert done.returncode == 0, f"npm could not install {', '.join(wanted)}:\n{done.stderr[-3000:]}"


def _installed(name: str) -> str | None:
    manifest = FOLDER / "node_modules" / name / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else None


def run(script: Path, *arguments: str) -> Any:
    """What a script says, as JSON. Its imports are looked for in the packages."""
    done = subprocess.run(
        ["node", "--input-type=module", "-", *arguments],
        cwd=FOLDER,
        input=script.read_text(),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, f"{script.name} failed:\n{done.stderr[-3000:]}"
    return json.loads(done.stdout)
