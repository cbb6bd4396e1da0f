"""Importing one module of the package with a change in it, its file left as it is."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from .mutators import HELPERS, Mutant


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
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def visit(self, node: ast.AST) -> Any:
        return self.mutant.new if node is self.mutant.old else self.generic_visit(node)


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a tree that it is given, and caches nothing."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self.tree = tree

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.tree, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, HELPERS, Helpers)
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, str(path), tree

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        loader = _Loader(fullname, self.path, self.tree)
        return importlib.util.spec_from_file_location(fullname, self.path, loader=loader)


def plant(mutant: Mutant, tree: ast.Module, root: Path) -> None:
    """From now on this process imports the mutant's module with the change.

    ``tree`` is the module's, in which the changed node is put in place: for a process that ends
    with this mutant. The package must not have been imported yet.
    """
    name = mutant.path.removesuffix(".py").replace("/", ".")
    if name in sys.modules:
        raise RuntimeError(f"{name} has been imported already")
    _Replacing(mutant).visit(tree)
    sys.meta_path.insert(0, _Finder(name, root / mutant.path, tree))
