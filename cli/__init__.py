"""The command ``quadrille``."""

import os
import sys

if not sys.stdout.isatty():  # before typer is imported: a pipe gets help and errors without boxes, too
    os.environ.setdefault("TYPER_USE_RICH", "0")
