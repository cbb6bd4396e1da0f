"""Which code is backward code: found in the syntax trees, so that new operations are found too.

It starts from the gradients that ``vjp``, ``elementwise``, ``primitive`` and ``Primitive`` are
given, a composed twin included, and from the engine's own steps (``ENGINE``). From there calls
are followed by name to functions of ``ops`` and ``kernels`` that are not public: what a module
lists in ``__all__``, or ``ops`` names, is a function in its own right, checked as such.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENGINE = {
    "minigan/autograd.py": (
        "grad",
        "backward",
        "_Distinct.__call__",
        "_seeds",
        "_collect",
        "_propagate",
        "_accumulate",
        "_unrecorded",
        "_recorded",
        "_fitted",
        "_spreads",
        "_through_twin",
    ),
    "minigan/tape.py": (
        "Primitive._plan",
        "Primitive.record",
        "Primitive.gradients",
        "Primitive.arrays",
        "Primitive.tensors",
        "Primitive._check_versions",
        "_note_version",
        "_again",
    ),
    "minigan/primitives.py": (
        "add",
        "sum_to",
        "broadcast_to",
        "identity",
        "copied",
        "astype",
    ),
    "minigan/kernels/windows.py": ("Window.reach", "Window.positions"),
    "minigan/kernels/convolution.py": ("convolve", "input_gradient", "weight_gradient"),
    "minigan/kernels/planes.py": ("convolve", "input_gradient", "weight_gradient"),
    "minigan/kernels/dft.py": ("convolve", "input_gradient", "weight_gradient"),
    "minigan/kernels/winograd.py": ("convolve", "input_gradient", "weight_gradient"),
}
"""What the tape does with gradients (keep, restore, add up, sum over broadcast axes, cast), and the
maps of convolution, each other's gradients, which are found by name when they run."""

FOLLOWED = ("minigan/ops/", "minigan/kernels/")
NOT_FOLLOWED = ("minigan/kernels/choice.py",)  # it decides how fast a gradient is, not what it is
MAKERS = {"vjp": 0, "elementwise": 0, "primitive": 1, "Primitive": 1}
"""What makes a primitive, and how many positional arguments come before its gradients."""

Function = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Region:
    """A piece of backward code: one function, or one lambda among a primitive's arguments."""

    path: str  # from the root, with slashes
    name: str
    node: Function
    tensors: frozenset[str]  # the parameters that hold tensors or arrays
    returns: str  # "tensor", "tensors", "array" or "other"
    constants: frozenset[str] = frozenset()  # functions whose results are never on the tape

    @property
    def body(self) -> list[ast.AST]:
        """What is in it, without a docstring, defaults, annotations and decorators."""
        if isinstance(self.node, ast.Lambda):
            return [self.node.body]
        start = 1 if ast.get_docstring(self.node, clean=False) is not None else 0
        return list(self.node.body[start:])

    @property
    def span(self) -> range:
        """Its lines, those of decorators included."""
        first = min(n.lineno for n in (self.node, *getattr(self.node, "decorator_list", ())))
        return range(first, (self.node.end_lineno or first) + 1)


class Module:
    """A source file's tree, and what the names in it mean."""

    def __init__(self, root: Path, path: str) -> None:
        self.path = path
        self.tree = ast.parse((root / path).read_text(encoding="utf-8"), path)
        self.functions: dict[str, ast.FunctionDef] = {}
        self.made: dict[str, ast.Call] = {}  # name = primitive(…)
        self.imports: dict[str, tuple[str, str]] = {}  # name: (path, name there)
        self.modules: dict[str, str] = {}  # name: path
        self.public: set[str] = set()
        self.constants: frozenset[str] = frozenset()
        for statement in self.tree.body:
            self._read(statement, root)
        arrays = {n for n, f in self.functions.items() if _kind(f.returns) == "array"}
        self.constants = frozenset(n for n in arrays if not self.functions[n].decorator_list)

    def _read(self, statement: ast.stmt, root: Path) -> None:
        if isinstance(statement, ast.FunctionDef):
            self.functions[statement.name] = statement
        elif isinstance(statement, ast.ClassDef):
            methods = [s for s in statement.body if isinstance(s, ast.FunctionDef)]
            self.functions |= {f"{statement.name}.{method.name}": method for method in methods}
        elif isinstance(statement, ast.ImportFrom) and statement.level:
            self._read_import(statement, root)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name == "__all__" and isinstance(statement.value, ast.List):
                texts = [e.value for e in statement.value.elts if isinstance(e, ast.Constant)]
                self.public = set(texts)
            elif isinstance(statement.value, ast.Call) and _maker(statement.value):
                self.made[name] = statement.value

    def _read_import(self, statement: ast.ImportFrom, root: Path) -> None:
        folder = Path(self.path).parents[statement.level - 1]
        source = (
            folder.joinpath(*(statement.module or "").split(".")) if statement.module else folder
        )
        for alias in statement.names:
            inner = (source / alias.name).with_suffix(".py")
            if (root / inner).is_file():
                self.modules[alias.asname or alias.name] = inner.as_posix()
            else:
                path = source.with_suffix(".py").as_posix()
                self.imports[alias.asname or alias.name] = (path, alias.name)


class Survey:
    """All backward code of a package, in the order of files and lines."""

    def __init__(self, root: Path) -> None:
        paths = sorted(path.relative_to(root).as_posix() for path in root.glob("minigan/**/*.py"))
        self.modules = {path: Module(root, path) for path in paths}
        for path, name in self.modules["minigan/ops/__init__.py"].imports.values():
            self.modules[path].public.add(name)
        self._found: dict[Function, Region] = {}
        for path, names in ENGINE.items():
            for name in names:
                self._add_function(self.modules[path], name)
        for module in self.modules.values():
            self._read_makers(module)
        for region in (queue := list(self._found.values())):
            queue.extend(self._follow(region))  # which lengthens what is gone through
        self.regions = sorted(self._found.values(), key=lambda r: (r.path, r.node.lineno, r.name))

    def _read_makers(self, module: Module) -> None:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and _maker(decorator):
                        self._read_maker(module, decorator, node.name, node)
        for name, call in module.made.items():
            forward = call.args[0]
            named = module.functions.get(forward.id) if isinstance(forward, ast.Name) else None
            self._read_maker(module, call, name, named or forward)

    def _read_maker(
        self, module: Module, call: ast.Call, name: str, forward: ast.expr | ast.FunctionDef
    ) -> None:
        """The gradients that a maker of primitives is given, and their composed twin."""
        given = call.args[MAKERS[_maker(call)] :]
        given = [
            e for a in given for e in (a.elts if isinstance(a, (ast.Tuple, ast.List)) else [a])
        ]
        given += [k.value for k in call.keywords if k.arg in ("composed", "at_once")]
        operands = _operands(forward) if isinstance(forward, Function) else set()
        for index, gradient in enumerate(given):
            if isinstance(gradient, ast.Lambda):
                names = [argument.arg for argument in gradient.args.args]
                tensors = frozenset({names[0]} | (set(names) & (operands | {"out"})))
                label = f"gradient {index} of {name}" if len(given) > 1 else f"gradient of {name}"
                self._add(Region(module.path, label, gradient, tensors, "tensor", module.constants))
            elif isinstance(gradient, ast.Name) and gradient.id in module.functions:
                self._add_function(module, gradient.id)

    def _add(self, region: Region) -> list[Region]:
        if region.node in self._found:
            return []
        self._found[region.node] = region
        return [region]

    def _add_function(self, module: Module, name: str) -> list[Region]:
        node = module.functions[name]
        kinds = {a.arg: _kind(a.annotation) for a in _arguments(node)}
        tensors = frozenset(name for name, kind in kinds.items() if kind != "other")
        kind = _kind(node.returns)
        return self._add(Region(module.path, name, node, tensors, kind, module.constants))

    def _follow(self, region: Region) -> Iterator[Region]:
        """The functions that a region calls, where they are backward code too."""
        module = self.modules[region.path]
        for part in region.body:
            for call in (node for node in ast.walk(part) if isinstance(node, ast.Call)):
                path, name = _called(module, call.func)
                target = self.modules.get(path)
                if target is None or not path.startswith(FOLLOWED) or name in target.public:
                    continue
                if path in NOT_FOLLOWED:
                    continue
                if name in target.made and isinstance(
                    forward := target.made[name].args[0], ast.Name
                ):
                    name = forward.id
                if name in target.functions:
                    yield from self._add_function(target, name)


def _maker(call: ast.Call) -> str:
    """The name under which a call makes a primitive, or nothing."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    return name if name in MAKERS else ""


def _called(module: Module, function: ast.expr) -> tuple[str, str]:
    """The path of the module in which what is called stands, and its name there."""
    if isinstance(function, ast.Name):
        return module.imports.get(function.id, (module.path, function.id))
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return module.modules.get(function.value.id, ""), function.attr
    return "", ""


def _arguments(node: Function) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _operands(forward: Function) -> set[str]:
    """The parameters of a forward that take arrays, as ``Primitive`` reads its signature."""
    given = forward.args
    plain = given.args[: len(given.args) - len(given.defaults)]
    return {argument.arg for argument in given.posonlyargs or plain}


def _kind(annotation: ast.expr | None) -> str:
    text = ast.unparse(annotation) if annotation else ""
    kinds = {
        "Tensor": "tensor",
        "list[Tensor]": "tensors",
        "TensorLike": "tensor",
        "Array": "array",
    }
    return kinds.get(text, "other")
