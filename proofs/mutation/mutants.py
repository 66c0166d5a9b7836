"""The mutants of a module: mutmut's operators, and four of ours for what those leave alone.

Ours: a condition is always or never true, a statement is left out, one of several (in a tuple, a set, a pattern) is left
out, one of several attributes assigned at once is not assigned. Types, docstrings, assertions and texts for people (with
a space in them) are not changed: nothing a test should hold on to depends on them.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import libcst as cst
import libcst.matchers as m
from mutmut.mutation.mutators import mutation_operators

_TYPE: Final = m.Name() | m.Attribute() | m.Subscript()
_LEFT_ALONE: Final = (
    m.Annotation()
    | m.Assert()
    | m.Import()
    | m.ImportFrom()
    | m.Decorator(decorator=m.Name() | m.Call(func=m.Name("dataclass")))
    | m.Expr(value=m.SimpleString() | m.ConcatenatedString())
    | m.Subscript(value=m.Name("Literal"))
    | m.Arg(keyword=m.Name("strict"))
    | m.Assign(value=m.Subscript(value=m.Name("Literal")))
    | m.Assign(value=m.BinaryOperation(operator=m.BitOr(), left=_TYPE | m.BinaryOperation(), right=_TYPE))
)
_HAS_EFFECT: Final = (
    m.Expr()
    | m.Return()
    | m.Raise()
    | m.Continue()
    | m.Break()
    | m.Assign(targets=[m.AssignTarget(target=m.Attribute() | m.Subscript())])
)
_CHECKED: Final = m.AnnAssign() | m.Call(func=m.Name("zip"))
"""What mypy refuses to be ``None``, and what asserts by ``strict`` that all are of one length."""
_AT_ONCE: Final = m.Assign(targets=[m.AssignTarget(target=m.Tuple())])


@dataclass(frozen=True)
class Mutant:
    """A changed module. ``where``: the function or class; ``was`` and ``becomes``: the lines that differ."""

    path: str
    where: str
    was: str
    becomes: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Names it for as long as these lines stay as they are, wherever they move."""
        return self.path, self.where, self.was, self.becomes


def mutants_of(path: Path) -> list[Mutant]:
    """All of a module, each once."""
    module = cst.parse_module(path.read_text())
    parts = [module.code_for_node(statement) for statement in module.body]
    head = module.code.removesuffix("".join(parts))
    found: dict[str, Mutant] = {}
    for place, statement in enumerate(module.body):
        for where, node, changed in _changes(statement, ""):
            now = module.code_for_node(_replaced(statement, node, changed))
            was, becomes = _difference(parts[place], now)
            if was != becomes:
                source = "".join([head, *parts[:place], now, *parts[place + 1 :]])
                found.setdefault(source, Mutant(str(path), where, was, becomes, source))
    return list(found.values())


def _changes(node: cst.CSTNode, where: str) -> Iterator[tuple[str, cst.CSTNode, cst.CSTNode]]:
    """What there is in this part of a module, and what it may become."""
    if m.matches(node, _LEFT_ALONE):
        return
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        where = f"{where}.{node.name.value}".lstrip(".")
    for kind, operator in (*mutation_operators, *_OURS):
        if isinstance(node, kind):
            for changed in _worth_trying(node, operator(node)):
                yield where or "module", node, changed
    for child in _parts(node):
        yield from _changes(child, where)


def _parts(node: cst.CSTNode) -> Sequence[cst.CSTNode]:
    """What is looked at within a node: where several are assigned at once, each of the values by itself."""
    if m.matches(node, _AT_ONCE):
        value = cst.ensure_type(node, cst.Assign).value
        return [element.value for element in value.elements] if isinstance(value, cst.Tuple) else [value]
    return node.children


def _worth_trying(node: Any, changes: Iterable[cst.CSTNode]) -> Sequence[cst.CSTNode]:
    if m.matches(node, _CHECKED):
        return []
    if isinstance(node, cst.SimpleString):
        return [] if " " in node.value else list(changes)[:1]
    return list(changes)


def _replaced(statement: Any, node: cst.CSTNode, changed: cst.CSTNode) -> Any:
    return changed if node is statement else statement.deep_replace(node, changed)


def _difference(before: str, after: str) -> tuple[str, str]:
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    gone, new = ([line[2:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
    return "\n".join(gone), "\n".join(new)


# --- operators of ours


def _decided(test: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """A condition that is never, or always, true; what it calls is called all the same."""
    whole = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield cst.BooleanOperation(whole, cst.And(), cst.Name("False"))
    yield cst.BooleanOperation(whole, cst.Or(), cst.Name("True"))


def _conditions(node: Any) -> Iterator[cst.CSTNode]:
    for test in _decided(node.test):
        yield node.with_changes(test=test)


def _guards(node: cst.MatchCase) -> Iterator[cst.CSTNode]:
    if node.guard is not None:
        for test in _decided(node.guard):
            yield node.with_changes(guard=test)


def _left_out(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    if len(node.body) == 1 and m.matches(node.body[0], _HAS_EFFECT) and not m.matches(node.body[0], _LEFT_ALONE):
        yield node.with_changes(body=[cst.Pass()])


def _fewer(node: Any) -> Iterator[cst.CSTNode]:
    field = "patterns" if isinstance(node, cst.MatchOr) else "elements"
    parts = getattr(node, field)
    if len(parts) > 1:
        for i in range(len(parts)):
            rest = [*parts[:i], *parts[i + 1 :]]
            if isinstance(node, cst.MatchOr):
                rest[-1] = rest[-1].with_changes(separator=cst.MaybeSentinel.DEFAULT)
            yield node.with_changes(**{field: rest})


def _not_assigned(node: cst.Assign) -> Iterator[cst.CSTNode]:
    if m.matches(node, _AT_ONCE):
        target = cst.ensure_type(node.targets[0].target, cst.Tuple)
        for i, element in enumerate(target.elements):
            if m.matches(element, m.Element(value=m.Attribute())):
                elements = [*target.elements[:i], element.with_changes(value=cst.Name("_")), *target.elements[i + 1 :]]
                yield node.with_changes(targets=[cst.AssignTarget(target.with_changes(elements=elements))])


_OURS: Final[Sequence[tuple[Any, Any]]] = (
    (cst.If, _conditions),
    (cst.IfExp, _conditions),
    (cst.While, _conditions),
    (cst.CompIf, _conditions),
    (cst.MatchCase, _guards),
    (cst.SimpleStatementLine, _left_out),
    (cst.Tuple, _fewer),
    (cst.List, _fewer),
    (cst.Set, _fewer),
    (cst.MatchOr, _fewer),
    (cst.Assign, _not_assigned),
)
