"""``python -m proofs.chaos.wrong_clock SECONDS MODULE``: run a module as ``python -m`` does, its clock ahead by so much."""

import runpy
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from aiokafka.producer import message_accumulator


class Batch(message_accumulator.BatchBuilder):
    """aiokafka dates records in C, where our clock is not seen."""

    def append(self, *, timestamp: int | None, key: Any, value: Any, headers: Sequence[Any] = ()) -> Any:
        """A record, dated by the wrong clock."""
        at = timestamp or int(time.time() * 1000)
        return super().append(timestamp=at, key=key, value=value, headers=list(headers))


if __name__ == "__main__":
    _, seconds, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=int(seconds)), tick=True).start()
    message_accumulator.BatchBuilder = Batch
    runpy.run_module(module, run_name="__main__", alter_sys=True)
