"""The command ``python -m devstack.sandbox``."""

import argparse
import asyncio
import sqlite3
import sys

from devstack.sandbox import tokens
from devstack.sandbox.server import serve
from devstack.sandbox.settings import PREFIX, Settings, load
from shared.runtime.observability import logs
from shared.settings import SettingsError


def main() -> int:
    """Run the sandbox until it is told to stop; the exit code is 2 where it could not start."""
    logs.configure("gateway", "WARNING")
    try:
        settings = load(**{name: value for name, value in vars(_parser().parse_args()).items() if value is not None})
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings))
    except (SettingsError, OSError, sqlite3.Error) as error:
        sys.stderr.write(f"the sandbox cannot start: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.sandbox",
        description=f"A payment gateway to play with. Every option is also a variable, such as {PREFIX}PORT; the API "
        f"key is a variable only ({PREFIX}API_KEY).",
        epilog="Test tokens (join several by +):\n\n" + tokens.table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, field in Settings.model_fields.items():
        if name != "api_key":
            parser.add_argument("--" + name.replace("_", "-"), help=f"{field.description} (default: {field.default})")
    return parser


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


if __name__ == "__main__":
    sys.exit(main())
