"""Runs tests on mutants, many a second: pytest collects once, and a fork of that process takes the place of each.

A mutant of a function is put in place by giving the function its changed code, in the fork, which then runs only the
tests that come through what was changed, the quick ones first. A mutant of what happens at import (a decorator, a
default, a constant) is imported, by a fork of a process in which only libraries and ``shared`` were imported before.
"""

import gc
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from inspect import CO_OPTIMIZED
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, Literal

import hypothesis
import pytest

from proofs.mutation.mutants import Mutant

Outcome = Literal["killed", "survived", "timed out"]
Place = tuple[str, int]
"""Where code is: its qualified name, and its first line."""
CPU_SECONDS: Final = 15
TIMES: Final = 4
"""Seconds of a processor a mutant may have beside those the tests take without it, and how often it may have these."""
LONGEST_SECONDS: Final = 1_800
"""For one that waits for what never comes; far above ``CPU_SECONDS``, as others may need the processor."""
MACHINE_RUNS: Final = 30
"""Examples of a model-based test, which are long ones."""
MEMORY_BYTES: Final = 4 * 2**30
WARM: Final = ("sqlalchemy.ext.asyncio", "jsonschema", "shared.contract.registry", "shared.runtime.service")
"""What takes long to import and imports nothing that is changed."""
_OPTIONS: Final = ("-x", "-s", "--assert=plain", "--tb=no", "-p", "no:cacheprovider")
_FORK: Final = multiprocessing.get_context("fork")


@dataclass
class _Baseline:
    """What happens without mutants: the seconds of each test, by its id, and the code of the module it came through."""

    seconds: dict[str, float] = field(default_factory=dict)
    came_through: dict[str, set[Place]] = field(default_factory=dict)


def run(mutants: Sequence[Mutant], tests: Sequence[str]) -> Iterator[tuple[Mutant, Outcome]]:
    """What becomes of mutants of one module.

    Raises :class:`RuntimeError` where the tests fail without any, or where the module was imported: a mutant of what happens
    at import would not be.
    """
    if _module_name(mutants[0]) in sys.modules:
        raise RuntimeError(f"{mutants[0].path} is imported already, for another module: it must come before that")
    if not mutants[0].path.startswith("shared"):
        for name in WARM:
            import_module(name)
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_pytest, args=(_Collected(mutants, sender), tests))
    process.start()
    sender.close()
    try:
        seconds = receiver.recv()
        outcomes: list[Outcome | None] = []
        for mutant in mutants:
            outcomes.append(receiver.recv())
            if outcomes[-1]:
                yield mutant, outcomes[-1]
    except EOFError:
        raise RuntimeError(f"there are no such tests, or they fail without any mutant: {' '.join(tests)}") from None
    process.join()
    for mutant, outcome in zip(mutants, outcomes, strict=True):
        if outcome is None:
            yield mutant, _in_fork(partial(_imported, mutant, tests, seconds), sum(seconds.values()))


def _in_fork(work: Callable[[], bool], usual: float) -> Outcome:
    """Do it in a fork of this process; ``work`` says whether all tests passed, ``usual`` what that takes without mutants."""
    limit = CPU_SECONDS + round(TIMES * usual)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
            signal.alarm(LONGEST_SECONDS)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "timed out"
    return "survived" if status == 0 else "killed"


def _pytest(plugin: object, tests: Sequence[str]) -> bool:
    """Run pytest, silently; returns whether all tests passed."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    return pytest.main([*_OPTIONS, *tests], plugins=[plugin]) == 0


class _Quick:
    """A pytest plugin: no search for the smallest example that kills, and the same examples, and fewer, for every mutant."""

    def pytest_configure(self) -> None:
        hypothesis.settings.register_profile(
            "mutation",
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutation")

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        machine = getattr(item, "cls", None)
        usual = getattr(machine, "settings", None)
        if machine and isinstance(usual, hypothesis.settings):
            machine.settings = hypothesis.settings(usual, max_examples=min(MACHINE_RUNS, usual.max_examples))


# --- mutants of functions


class _Collected(_Quick):
    """Runs the collected tests once without a mutant, tells what each took, and then tells the outcome of each mutant.

    Of a mutant that has to be imported it tells ``None``.
    """

    def __init__(self, mutants: Sequence[Mutant], results: Connection) -> None:
        self._mutants, self._results = mutants, results
        self._path = str(Path(mutants[0].path).resolve())

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        import_module(_module_name(self._mutants[0]))
        baseline = _baseline(session.items, self._path)
        self._results.send(baseline.seconds)
        functions = _functions_of(self._path)
        original = _codes(compile(Path(self._path).read_text(), self._path, "exec"))
        gc.freeze()
        for mutant in self._mutants:
            changed = _codes(compile(mutant.source, self._path, "exec"))
            self._results.send(_try(session.items, functions, original, changed, baseline))
        return True


def _baseline(items: Sequence[pytest.Item], path: str) -> _Baseline:
    """Raises :class:`EOFError` where a test fails."""
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_watch, args=(items, path, sender))
    process.start()
    sender.close()
    baseline: _Baseline = receiver.recv()
    process.join()
    return baseline


def _watch(items: Sequence[pytest.Item], path: str, result: Connection) -> None:
    baseline = _Baseline()
    for item, following in zip(items, [*items[1:], None], strict=True):
        seen: set[Place] = set()

        def see(frame: FrameType, event: str, _: Any, seen: set[Place] = seen) -> None:
            if event == "call" and frame.f_code.co_filename == path:
                seen.add(_place(frame.f_code))

        began = time.process_time()
        sys.setprofile(see)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        sys.setprofile(None)
        baseline.seconds[item.nodeid], baseline.came_through[item.nodeid] = time.process_time() - began, seen
    if items and not items[0].session.testsfailed:
        result.send(baseline)


def _try(
    items: Sequence[pytest.Item],
    functions: dict[Place, list[FunctionType]],
    original: list[CodeType],
    changed: list[CodeType],
    baseline: _Baseline,
) -> Outcome | None:
    """Run the tests on changed code; ``None`` where that cannot be put in place."""
    if [code.co_qualname for code in original] != [code.co_qualname for code in changed]:
        return None
    pairs = list(zip(original, changed, strict=True))
    differing = [old for old, new in pairs if _own(old) != _own(new)]
    if not all(code.co_flags & CO_OPTIMIZED for code in differing):
        return None
    swaps = [(f, new) for old, new in pairs if old != new for f in functions.get(_place(old), ())]
    if not swaps or any(f.__code__.co_freevars != new.co_freevars for f, new in swaps):
        return None
    touched = {_place(code) for code in differing}
    chosen = [item for item in items if baseline.came_through[item.nodeid] & touched]
    if not chosen:  # it may be run at import
        return None
    chosen.sort(key=lambda item: baseline.seconds[item.nodeid])
    return _in_fork(partial(_swapped, swaps, chosen), sum(baseline.seconds[item.nodeid] for item in chosen))


def _swapped(swaps: Sequence[tuple[FunctionType, CodeType]], items: Sequence[pytest.Item]) -> bool:
    for function, code in swaps:
        function.__code__ = code
    for item, following in zip(items, [*items[1:], None], strict=False):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return False
    return True


def _functions_of(path: str) -> dict[Place, list[FunctionType]]:
    """The functions there are whose code is in a file."""
    functions: dict[Place, list[FunctionType]] = {}
    for found in gc.get_objects():
        if isinstance(found, FunctionType) and found.__code__.co_filename == path:
            functions.setdefault(_place(found.__code__), []).append(found)
    return functions


def _codes(code: CodeType) -> list[CodeType]:
    """This code and all that is within it, in the order of the source."""
    return [code, *(inner for const in code.co_consts if isinstance(const, CodeType) for inner in _codes(const))]


def _own(code: CodeType) -> tuple[object, ...]:
    """What code does itself, whatever the functions within it do."""
    constants = [repr(const) for const in code.co_consts if not isinstance(const, CodeType)]
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants


def _place(code: CodeType) -> Place:
    return code.co_qualname, code.co_firstlineno


def _module_name(mutant: Mutant) -> str:
    return ".".join(Path(mutant.path).with_suffix("").parts).removesuffix(".__init__")


# --- mutants that are imported


def _imported(mutant: Mutant, tests: Sequence[str], seconds: dict[str, float]) -> bool:
    sys.meta_path.insert(0, _Finder(mutant))
    import_module(_module_name(mutant))
    return _pytest(_Sorted(seconds), tests)


class _Sorted(_Quick):
    """Quick tests come first."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._seconds.get(item.nodeid, 0.0))


class _Finder(MetaPathFinder):
    """Finds a mutant where its module is imported."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant, self._name = mutant, _module_name(mutant)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, loader=_Loader(self._mutant, fullname))


class _Loader(SourceFileLoader):
    def __init__(self, mutant: Mutant, name: str) -> None:
        super().__init__(name, str(Path(mutant.path).resolve()))
        self._source = mutant.source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec")
