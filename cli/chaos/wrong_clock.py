"""``python -m cli.chaos.wrong_clock SECONDS MODULE``: run a module as ``python -m`` does, its clock ahead by so much."""

import runpy
import sys
from datetime import UTC, datetime, timedelta

import time_machine

if __name__ == "__main__":
    _, seconds, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=int(seconds)), tick=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
