"""Changing functions of the package, their files left as they are.

The modules with backward code are compiled from their trees, and their code is kept. A change is
one within a function, so the module is compiled again with it, and the function that is there is
given the new code: whoever holds it, a primitive or a test, then calls the changed one.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .mutators import HELPERS, Mutant

NewCode = list[tuple[FunctionType, CodeType]]


class Helpers:
    """What changed code may call. The package is imported when they are, not before."""

    @staticmethod
    def frozen(tensor: Any) -> Any:
        """The same values as a constant; unlike ``detach``, nobody is told."""
        from minigan.tensor import wrap

        return wrap(tensor._array)

    @staticmethod
    def rounded(values: Any) -> Any:
        """The values with the digits of the next smaller precision, in the dtype they had."""
        small = {"float64": "float32", "float32": "float16"}.get(values.dtype.name)
        return values if small is None else values.astype(small).astype(values.dtype)


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


class Planter(importlib.abc.MetaPathFinder):
    """Imports modules from their trees (by path, from ``root``), and changes them.

    It has to be made before the package is imported.
    """

    def __init__(self, root: Path, trees: dict[str, ast.Module]) -> None:
        self.root, self.trees = root, trees
        self.codes: dict[str, CodeType] = {}  # of the modules that were imported
        self.functions: dict[int, list[FunctionType]] = {}  # by the identity of their code
        self.paths = {path.removesuffix(".py").replace("/", "."): path for path in trees}
        if present := set(self.paths) & set(sys.modules):
            raise RuntimeError(f"imported already: {sorted(present)}")
        sys.path.insert(0, str(root))
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if fullname not in self.paths:
            return None
        where = str(self.root / self.paths[fullname])
        loader = _Loader(fullname, where, self)
        return importlib.util.spec_from_file_location(fullname, where, loader=loader)

    def find_functions(self) -> None:
        """Note the functions there are after the imports, so that their code can be changed."""
        codes = {id(code) for module in self.codes.values() for code in _codes(module)}
        for function in gc.get_objects():
            if type(function) is FunctionType and id(function.__code__) in codes:
                self.functions.setdefault(id(function.__code__), []).append(function)

    def changed(self, mutant: Mutant) -> CodeType:
        """The code of the mutant's module."""
        tree = self.trees[mutant.path]
        _Replacing(mutant.old, mutant.new).visit(tree)
        try:
            return compile(tree, str(self.root / mutant.path), "exec", dont_inherit=True)
        finally:
            _Replacing(mutant.new, mutant.old).visit(tree)

    def new_code(self, mutant: Mutant) -> NewCode:
        """The functions that the mutant changes, with the code that makes them change."""
        found = list(self._differing(self.codes[mutant.path], self.changed(mutant)))
        if not found:
            raise RuntimeError(f"{mutant.name}: no function has the code of {mutant.region.name}")
        return found

    def _differing(self, old: CodeType, new: CodeType) -> Iterator[tuple[FunctionType, CodeType]]:
        for a, b in zip(_inner(old), _inner(new), strict=True):
            if a == b:
                continue
            if functions := self.functions.get(id(a)):
                yield from ((function, b) for function in functions)
            else:  # a class
                yield from self._differing(a, b)


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a planter's tree, and caches nothing."""

    def __init__(self, name: str, path: str, planter: Planter) -> None:
        super().__init__(name, path)
        self.planter = planter

    def get_code(self, fullname: str) -> CodeType:
        path = self.planter.paths[fullname]
        code = compile(self.planter.trees[path], self.path, "exec", dont_inherit=True)
        self.planter.codes[path] = code
        return code

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, HELPERS, Helpers)
        super().exec_module(module)


def plant(changes: NewCode) -> None:
    """Change the functions, in a process that ends with this mutant."""
    for function, code in changes:
        function.__code__ = code


def _inner(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for inner in _inner(code):
        yield inner
        yield from _codes(inner)
