"""What the names and expressions of a region hold, as far as its text tells."""

from __future__ import annotations

import ast

from .regions import Region

METHODS = {"sum", "reshape", "transpose", "astype", "view", "copy", "take_along_axis", "T"}
"""Methods and attributes of an array that are arrays again."""


class Scope:
    """A region's nodes, with their parents, and the names in it that hold tensors or arrays."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.nodes: list[ast.AST] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        for part in region.body:
            self._collect(part, region.node)
        self.names, self.truths = set(region.tensors), set()
        for node in self.nodes:
            if isinstance(node, ast.Assign) and self.is_tensor(node.value):
                targets = {t.id for t in node.targets if isinstance(t, ast.Name)}
                self.names |= targets
                self.truths |= targets if self.is_truth(node.value) else set()

    def _collect(self, node: ast.AST, parent: ast.AST) -> None:
        """Everything but what is only said: annotations, and the raising of errors."""
        said = isinstance(parent, ast.AnnAssign) and node is parent.annotation
        if said or isinstance(node, (ast.Raise, ast.JoinedStr)):
            return
        self.nodes.append(node)
        self.parents[node] = parent
        for child in ast.iter_child_nodes(node):
            self._collect(child, node)

    @property
    def expressions(self) -> int:
        """How many there are."""
        return sum(isinstance(node, ast.expr) for node in self.nodes)

    def is_tensor(self, node: ast.AST) -> bool:
        """Whether an expression is, as far as names tell, a tensor or an array."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.BinOp):
            return self.is_tensor(node.left) or self.is_tensor(node.right)
        if isinstance(node, (ast.UnaryOp, ast.Starred)):
            return self.is_tensor(node.operand if isinstance(node, ast.UnaryOp) else node.value)
        if isinstance(node, ast.IfExp):
            return self.is_tensor(node.body) or self.is_tensor(node.orelse)
        if isinstance(node, ast.Compare):
            return self.is_tensor(node.left) and not isinstance(node.ops[0], (ast.Is, ast.IsNot))
        if isinstance(node, ast.Subscript):
            return self.is_tensor(node.value)
        if isinstance(node, ast.Attribute):
            return node.attr in METHODS and self.is_tensor(node.value)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1]
            inputs = any(self.is_tensor(argument) for argument in node.args)
            return self.is_tensor(node.func) or inputs and called not in _NOT_TENSORS
        return False

    def is_truth(self, node: ast.AST) -> bool:
        """Whether an expression holds truth values: no sign, no digits, nothing to scale."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            return self.is_truth(node.left)
        named = isinstance(node, ast.Name) and node.id in self.truths
        inverted = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert)
        return named or inverted or isinstance(node, ast.Compare)

    def is_real(self, node: ast.AST) -> bool:
        """Whether an expression holds a tensor or an array that is not of truth values."""
        return self.is_tensor(node) and not self.is_truth(node)

    def is_result(self, node: ast.AST) -> bool:
        """Whether an expression is what the region returns, or an element of such a list."""
        parent = self.parents.get(node)
        if isinstance(parent, (ast.ListComp, ast.GeneratorExp)):
            return parent.elt is node and self.is_result(parent)
        if isinstance(parent, ast.IfExp):
            return parent.test is not node and self.is_result(parent)
        return isinstance(parent, (ast.Return, ast.Yield, ast.Lambda)) and (
            parent is self.region.node or not isinstance(parent, ast.Lambda)
        )


_NOT_TENSORS = {"len", "zip", "range", "enumerate", "isinstance", "type", "array_module", "tuple"}
_NOT_TENSORS |= {"iter", "next", "append", "extend", "get", "set", "id", "list", "is_array"}
# Functions of ours to which an array says its shape, dtype or layout alone.
_NOT_TENSORS |= {"axes_of", "count_over", "buffers_for", "memory_order", "empty_like"}
_NOT_TENSORS |= {"_chunks", "_core", "_few", "_groups", "_order", "_shape", "_sizes", "_spatial"}
_NOT_TENSORS |= {"_wide", "_work", "_WeightGradient", "_steps", "shape_of"}
