"""``python -m devstack start|status|lock``: the embedded stack alone."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from devstack import jars
from devstack.embedded import EmbeddedStack
from devstack.errors import StackError


def main() -> int:
    """Return the exit code: 0, 1 if nothing is running, or 2 if the stack cannot start."""
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    parser.add_argument("command", choices=("start", "status", "lock"))
    parser.add_argument("--state", type=Path, default=Path(".quadrille"), help="state folder (default: %(default)s)")
    given = parser.parse_args()
    try:
        return {"start": start, "status": status, "lock": lock}[given.command](given.state)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def start(state: Path) -> int:
    """Start the stack and stay in the foreground."""
    with EmbeddedStack(state, progress=_say) as stack:
        for name, value in stack.environment.items():
            _say(f"{name}={value}")
        _say("The stack is up; Ctrl-C stops it")
        stopped = threading.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_: stopped.set())
        stopped.wait()
    return 0


def status(state: Path) -> int:
    """Print the address of this folder's Kafka."""
    environment = EmbeddedStack.running(state)
    _say(environment["QUADRILLE_KAFKA_BOOTSTRAP_SERVERS"] if environment else "no stack is running here")
    return 0 if environment else 1


def lock(_: Path) -> int:
    """Rewrite the lock file of the jars."""
    _say(f"{jars.write_lock()} jars locked in {jars.LOCK.name}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
