"""The changes that are planted: each is one expression or statement put in place of another.

A mutator is a generator: from a node and what is known of its surroundings, to pairs (kind,
replacement). What a change means depends on what an expression holds, so the names that hold
tensors are followed through each region; numbers, indices and shapes get other changes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .regions import Region
from .scope import Scope

HELPERS = "_mutation"
"""Under this name the functions of ``planting.Helpers`` stand in a changed module."""

Change = tuple[str, ast.AST]

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
EXCHANGED = {"max": "min", "maximum": "minimum", "sin": "cos", "zeros": "ones", "any": "all"}
EXCHANGED |= {new: old for old, new in EXCHANGED.items()}


@dataclass(frozen=True)
class Mutant:
    """One change: where, what it is, and the node that takes a node's place."""

    region: Region
    kind: str
    old: ast.AST
    new: ast.AST

    @property
    def path(self) -> str:
        return self.region.path

    @property
    def line(self) -> int:
        return int(getattr(self.old, "lineno", self.region.node.lineno))

    @property
    def lines(self) -> range:
        return range(self.line, int(getattr(self.old, "end_lineno", self.line)) + 1)

    @property
    def name(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def before(self) -> str:
        return ast.unparse(self.old)

    @property
    def after(self) -> str:
        return ast.unparse(self.new)


def mutants(region: Region) -> list[Mutant]:
    """All changes of a region, in the order of its source, none twice."""
    scope, found, seen = Scope(region), [], set()
    for node in scope.nodes:
        for mutator in MUTATORS:
            for kind, new in mutator(node, scope):
                mutant = Mutant(region, kind, node, _placed(new, node))
                key = (id(node), mutant.after)
                if key not in seen and mutant.after != mutant.before:
                    seen.add(key)
                    found.append(mutant)
    return found


def _placed(new: ast.AST, old: ast.AST) -> ast.AST:
    """The new node with the old one's line, unless it has one, being a part of the old one."""
    if not hasattr(new, "lineno"):
        ast.copy_location(new, old)
    return ast.fix_missing_locations(new)


def _call(helper: str, node: Any) -> ast.Call:
    name = ast.Attribute(ast.Name(HELPERS, ast.Load()), helper, ast.Load())
    return ast.Call(name, [node], [])


def _times(node: Any, factor: float) -> ast.BinOp:
    return ast.BinOp(node, ast.Mult(), ast.Constant(factor))


def _plus(node: Any, number: int) -> ast.expr:
    if isinstance(node, ast.Constant):
        return ast.Constant(node.value + number)
    return ast.BinOp(node, ast.Add(), ast.Constant(number))


def _copy(node: Any, **fields: Any) -> Any:
    """The node with some of its fields changed; the others are shared."""
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


# The mutators


def result(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A wrong factor, a wrong sign, nothing at all, digits lost: of what a region returns."""
    whole = isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.IfExp))
    if not scope.is_result(node) or whole or scope.region.returns == "other":
        return
    if scope.is_truth(node):
        return
    inner = scope.parents[node]
    if scope.region.returns == "tensors" and not isinstance(inner, (ast.ListComp, ast.List)):
        return
    if isinstance(inner, ast.IfExp):
        yield "branch is zero", _times(node, 0.0)
    yield "wrong factor", _times(node, 2.0)
    yield "wrong factor", _times(node, 0.5)
    yield "wrong sign", ast.UnaryOp(ast.USub(), node)
    yield "precision lost", _call("rounded", node)
    if scope.region.returns != "array":
        yield "no gradient", ast.Constant(None)


def arithmetic(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """Another operator, its operands swapped, one of them dropped or with a wrong factor."""
    if not isinstance(node, ast.BinOp) or _is_text(node):
        return
    if type(node.op) in OPERATORS:
        yield "other operator", _copy(node, op=OPERATORS[type(node.op)]())
    if isinstance(node.op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow)):
        yield "operands swapped", _copy(node, left=node.right, right=node.left)
    what = "term" if isinstance(node.op, (ast.Add, ast.Sub)) else "factor"
    yield f"{what} dropped", node.left
    if isinstance(node.op, ast.Sub):
        yield "term dropped", ast.UnaryOp(ast.USub(), node.right)
    elif isinstance(node.op, ast.Div):
        yield "factor dropped", _copy(node, left=ast.Constant(1.0))
    else:
        yield f"{what} dropped", node.right
    if what == "term":
        for side in ("left", "right"):
            if scope.is_tensor(value := getattr(node, side)):
                yield "wrong factor", _copy(node, **{side: _times(value, 2.0)})


def matrices(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A transpose more, or one less."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        for side in ("left", "right"):
            turned = ast.Attribute(getattr(node, side), "T", ast.Load())
            yield "transposed", _copy(node, **{side: turned})
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose dropped", node.value


def sign(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A minus, a not or an inversion dropped."""
    if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield "sign flipped", node.operand


def number(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """Another number: the next whole one, twice a real one, the other truth value."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, (str, type(None))):
        return
    parent = scope.parents[node]
    if isinstance(parent, ast.keyword) and parent.arg == "strict":
        return
    if isinstance(node.value, bool):
        yield "other flag", ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield "off by one", ast.Constant(node.value + 1)
    elif isinstance(node.value, float):
        yield "wrong number", ast.Constant(node.value * 2 or 1.0)


def comparison(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """Another comparison, a condition negated, a part of one dropped."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]()
        yield "other comparison", _copy(node, ops=[other, *node.ops[1:]])
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "other connective", _copy(node, op=other)
        for i in range(len(node.values)):
            rest = node.values[:i] + node.values[i + 1 :]
            yield "condition dropped", _copy(node, values=rest) if len(rest) > 1 else rest[0]
    parent = scope.parents[node]
    tested = isinstance(parent, (ast.If, ast.IfExp, ast.While)) and parent.test is node
    tested = tested or isinstance(parent, ast.comprehension) and node in parent.ifs
    if tested and not isinstance(node, ast.UnaryOp) and not _is_reversible(node):
        yield "condition negated", ast.UnaryOp(ast.Not(), node)


def _is_reversible(node: ast.AST) -> bool:
    """Whether the other comparison is the negation already."""
    ordered = (ast.Gt, ast.GtE, ast.Lt, ast.LtE)
    return (
        isinstance(node, ast.Compare)
        and len(node.ops) == 1
        and not isinstance(node.ops[0], ordered)
    )


def call(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A call that does nothing, takes its operands the other way round, or another function's."""
    if not isinstance(node, ast.Call):
        return
    yield from _skipped(node, scope)
    pairs = zip(node.args, node.args[1:], strict=False)
    for i, (a, b) in enumerate(pairs):
        if scope.is_tensor(a) and (scope.is_tensor(b) or isinstance(b, ast.Constant)):
            args = [*node.args[:i], b, a, *node.args[i + 2 :]]
            yield "arguments swapped", _copy(node, args=args)
    for i, a in enumerate(node.args):
        if scope.is_real(a) and scope.is_tensor(node) and not isinstance(a, ast.Starred):
            args = [*node.args[:i], _times(a, 2.0), *node.args[i + 1 :]]
            yield "wrong factor", _copy(node, args=args)
    if isinstance(node.func, ast.Name) and node.func.id in EXCHANGED:
        yield "other function", _copy(node, func=ast.Name(EXCHANGED[node.func.id], ast.Load()))
    if isinstance(node.func, ast.Attribute) and node.func.attr in EXCHANGED:
        yield "other function", _copy(node, func=_copy(node.func, attr=EXCHANGED[node.func.attr]))


def _skipped(node: ast.Call, scope: Scope) -> Iterator[Change]:
    if scope.is_tensor(node):
        both = isinstance(node.func, ast.Name) and node.func.id == "add"  # of gradients
        for a in node.args:
            if both or scope.is_tensor(a) and not isinstance(a, ast.Starred):
                yield "call skipped", a
        if isinstance(node.func, ast.Attribute) and scope.is_real(node.func.value):
            yield "call skipped", node.func.value


def axis(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """All axes in place of those that were named."""
    named = isinstance(node, ast.Name) and node.id in ("axis", "axes")
    if named and isinstance(node.ctx, ast.Load):
        yield "all axes", ast.Constant(None)


def extent(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A bound of a slice or of a range that is one too large."""
    if isinstance(node, ast.Slice):
        for bound in ("lower", "upper", "step"):
            value = getattr(node, bound)
            if value is not None and not isinstance(value, ast.Constant):
                yield "off by one", _copy(node, **{bound: _plus(value, 1)})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        for i, a in enumerate(node.args if node.func.id in ("slice", "range") else ()):
            if not isinstance(a, ast.Constant):
                less = -1 if node.func.id == "range" else 1
                args = [*node.args[:i], _plus(a, less), *node.args[i + 1 :]]
                yield "off by one", _copy(node, args=args)


def frozen(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """A tensor that is taken as a constant, so that the first order is right alone."""
    used = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    if used and scope.region.returns.startswith("tensor") and node.id in scope.names:
        parent = scope.parents[node]
        shown = isinstance(parent, (ast.Attribute, ast.Compare))  # a shape, say: nothing to lose
        if isinstance(parent, ast.Call):
            called = ast.unparse(parent.func)
            shown = called in scope.region.constants or not scope.is_tensor(parent)
        if not shown:
            yield "tensor frozen", _call("frozen", node)


def accumulation(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """Assignment for accumulation, or a difference for it."""
    if isinstance(node, ast.AugAssign):
        yield "assigned, not added", ast.Assign([node.target], node.value)
        if type(node.op) in OPERATORS:
            yield "other operator", _copy(node, op=OPERATORS[type(node.op)]())
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = ast.unparse(node.value.func)
        if called.endswith("add.at"):
            target, index, value = node.value.args
            place = ast.Subscript(target, index, ast.Store())
            yield "assigned, not added", ast.Assign([place], value)


def statement(node: ast.AST, scope: Scope) -> Iterator[Change]:
    """Something that is not done: a call for its effect, a write into something."""
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    written = isinstance(node, (ast.Assign, ast.AugAssign)) and isinstance(
        node.targets[0] if isinstance(node, ast.Assign) else node.target,
        (ast.Subscript, ast.Attribute),
    )
    if called or written:
        yield "statement dropped", ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return any(isinstance(part.value, str) for part in parts)


MUTATORS: tuple[Callable[[ast.AST, Scope], Iterator[Change]], ...] = (
    result,
    arithmetic,
    matrices,
    sign,
    number,
    comparison,
    call,
    axis,
    extent,
    frozen,
    accumulation,
    statement,
)
