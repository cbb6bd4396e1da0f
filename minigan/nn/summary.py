"""The table that ``Module.summary`` gives."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor, no_grad
from .context import training, watch

if TYPE_CHECKING:
    from .module import InputShape, Module


def summary(module: Module, input_shapes: tuple[InputShape, ...]) -> str:
    """One line a layer, indented by depth: name and class, output shape, number of parameters."""
    shapes = input_shapes or module._shapes
    if shapes is None:
        raise RuntimeError(
            "summary needs the inputs' shapes: build(input_shape) first, or summary((None, 100))"
        )
    if not module.built:
        module = copy.deepcopy(module).build(*shapes)  # looking does not draw the weights
    outputs: dict[int, Any] = {}
    with no_grad(), training(False), watch(lambda m, y: outputs.update({id(m): y})):
        module(*module.trial_inputs(tuple((1, *shape[1:]) for shape in shapes)))
    rows = [("layer", "output shape", "parameters")]
    for name, inner in module.named_modules():
        inside = [value for _, value in inner.children()]
        own = [p for p in inside if isinstance(p, Tensor)]
        if own or not inside:
            shape = np.shape(getattr(outputs.get(id(inner)), "_array", ()))
            label = f"{name} {type(inner).__name__}".strip()
            rows.append((label, str((None, *shape[1:])), f"{sum(p.size for p in own):,}"))
    state = module.named_state().values()
    trained = sum(p.size for p in state if p.requires_grad)
    kept = sum(p.size for p in state) - trained
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    total = f"{trained:,} trained parameters" + (f", {kept:,} kept statistics" if kept else "")
    return "\n".join([lines[0], rule, *lines[1:], rule, total])
