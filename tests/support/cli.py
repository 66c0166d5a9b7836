"""The command ``quadrille`` as people and programs run it: within this process, where a start would cost seconds."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: bytes
    err: bytes

    @property
    def json(self) -> Any:
        """What it wrote for programs."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.out.decode(errors='replace')}\n{self.err.decode(errors='replace')}"


async def quadrille(environment: Mapping[str, str], *arguments: str) -> Ran:
    """Run it with these settings and no others, beside the event loop of the test."""
    unset = {name: None for name in os.environ if name.startswith("QUADRILLE_")}
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={**unset, **environment})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout_bytes, result.stderr_bytes)


async def process(environment: Mapping[str, str], *arguments: str) -> Ran:
    """Run it as a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUADRILLE_")}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *arguments),
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await started.communicate()
    assert started.returncode is not None
    return Ran(started.returncode, out, err)
