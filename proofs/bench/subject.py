"""The system that is measured, in a process of its own, of whichever revision Python finds the code::

    PYTHONPATH=<a checkout> python -P proofs/bench/subject.py <state> <gateway> <members>

Prints one line of JSON when everything is ready: the settings and the ports of health and metrics. Stops when its input ends.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

SERVICES = ("cart", "inventory", "order", "payment")


def _is_old() -> bool:
    """Whether this is a revision before 0.2, in which a setting of payment approved in-process."""
    return importlib.util.find_spec("cli.up") is not None


def _running(state: Path, gateway: str, log: Any) -> Any:
    """The system, stopped."""
    if _is_old():
        return importlib.import_module("cli.up").Running(state, {"QUADRILLE_GATEWAY": gateway}, log, print, measured=True)
    programs = {"payment": _payment(state)} if gateway == "instant" else {}
    return importlib.import_module("devstack.up").Running(state, {}, log, print, measured=True, programs=programs)


def _payment(state: Path) -> list[str]:
    return ["proofs.bench.payment", str(state / "gateway.db")]


async def _another_member(running: Any, name: str, state: Path, gateway: str) -> asyncio.subprocess.Process:
    in_process = name == "payment" and gateway == "instant" and not _is_old()
    program = _payment(state) if in_process else [f"services.{name}"]
    environment = {**os.environ, **running.environment, "QUADRILLE_HEALTH_PORT": "0"}
    log = (state / "logs" / f"{name}-2.log").open("w")
    return await asyncio.create_subprocess_exec(sys.executable, "-m", *program, env=environment, stdout=log, stderr=log)


async def main(state: Path, gateway: str, members: int) -> None:
    """Run the system until standard input ends."""
    (state / "logs").mkdir(parents=True, exist_ok=True)
    with (state / "logs" / "bench.log").open("w") as lines:
        running = _running(state, gateway, lambda name, line: lines.write(f"{name} {line}\n"))
        with contextlib.redirect_stdout(sys.stderr):
            await running.start()
        others: list[asyncio.subprocess.Process] = []
        try:
            others = [await _another_member(running, name, state, gateway) for name in SERVICES * (members - 1)]
            sys.stdout.write(json.dumps({"environment": running.environment, "ports": running.health_ports}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
        finally:
            for other in others:
                other.terminate()
            await asyncio.gather(*(other.wait() for other in others))
            with contextlib.redirect_stdout(sys.stderr):
                await running.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).absolute(), sys.argv[2], int(sys.argv[3])))
