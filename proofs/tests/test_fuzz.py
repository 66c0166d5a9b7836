"""A short run of the coverage-guided fuzzer; ``python -m proofs.fuzz.decoder`` goes on for as long as one likes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 10_000


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="Atheris is not to be had on this platform")
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    paths = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "proofs.fuzz.decoder", f"-runs={RUNS}", "-seed=1"]
    done = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert f"Done {RUNS} runs" in done.stderr
