"""Many stories, on several cores: what they went through, and the first that breaks something, cut down."""

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from proofs.simulation.coverage import Coverage
from proofs.simulation.shrink import shrink
from proofs.simulation.story import Story
from proofs.simulation.timeline import Timeline
from proofs.simulation.workload import generate

CHUNK: Final = 25
"""Stories a process plays at once."""
Progress = Callable[[Coverage], None]


@dataclass(frozen=True)
class Failure:
    """A story in which something goes wrong. ``story`` is the shortest found, ``lines`` is what happens in it."""

    seed: int
    wrong: str
    story: Story
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What was gone through, and what went wrong, if anything did."""

    coverage: Coverage
    failure: Failure | None


def run(checkouts: int, seed: int = 0, jobs: int = 1, progress: Progress = lambda coverage: None) -> Result:
    """Play the stories from ``seed`` on until so many checkouts were started in them, or one goes wrong.

    The same stories are played whatever ``jobs`` is. ``progress`` is called now and then with all that was gone through.
    """
    coverage = Coverage()
    with _chunks(seed, jobs) as chunks:
        for part, wrong in chunks:
            coverage.add(part)
            progress(coverage)
            if wrong is not None:
                return Result(coverage, explain(wrong))
            if coverage.checkouts >= checkouts:
                break
    return Result(coverage, None)


@contextmanager
def _chunks(seed: int, jobs: int) -> Iterator[Iterator[tuple[Coverage, int | None]]]:
    """What each chunk of stories went through and the seed of the first that goes wrong, in their order, for ever."""
    if jobs == 1:
        yield map(_play, _firsts(seed))
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        yield _in_order(pool, seed, 2 * jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _in_order(pool: ProcessPoolExecutor, seed: int, ahead: int) -> Iterator[tuple[Coverage, int | None]]:
    firsts = _firsts(seed)
    waiting = [pool.submit(_play, next(firsts)) for _ in range(ahead)]
    while True:
        yield waiting.pop(0).result()
        waiting.append(pool.submit(_play, next(firsts)))


def _firsts(seed: int) -> Iterator[int]:
    while True:
        yield seed
        seed += CHUNK


def _play(first: int) -> tuple[Coverage, int | None]:
    coverage = Coverage()
    return coverage, first_wrong(range(first, first + CHUNK), coverage)


def first_wrong(seeds: Iterable[int], coverage: Coverage) -> int | None:
    """Play one story after the other; returns the seed of the first that goes wrong, and plays none after it."""
    gc.disable()  # a world is one big circle, and is looked at while it grows
    gc.freeze()
    try:
        for seed in seeds:
            try:
                generate(seed).play(coverage)
            except Exception:  # whatever it is, the seed plays it again, and tells it, where it can be shown
                return seed
            gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    return None


def explain(seed: int) -> Failure:
    """The shortest story in which the same goes wrong as in that of ``seed``."""
    story, error = shrink(generate(seed))
    return Failure(seed, f"{type(error).__name__}: {error}", story, replay(story))


def replay(story: Story) -> tuple[str, ...]:
    """What happens in a story, line by line, up to its end or to what goes wrong."""
    timeline = Timeline()
    try:
        story.play(timeline=timeline)
    except Exception as error:
        return (*timeline, f"BROKEN: {type(error).__name__}: {error}")
    return tuple(timeline)
