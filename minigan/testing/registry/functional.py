"""A module as a pure function of its inputs and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...nn import Module, training
from ...random import Stream, use
from ...tensor import Tensor, substituted


def functional(
    module: Module, fixed: Sequence[Any] = (), mode: bool = True, seed: int = 0
) -> Callable[..., Any]:
    """``module`` (built) as a function of its inputs, then its trained parameters.

    ``fixed`` inputs (ids, say, or labels) come after the others and are none of the function's. It
    runs in training (``mode``) or evaluation, and what it draws (dropout) is the same every time.
    What the module keeps beside its parameters goes to the device of the inputs.
    """
    parameters = module.parameters()

    def function(*tensors: Tensor) -> Any:
        count = len(tensors) - len(parameters)
        module.to(tensors[0].device)
        stream = Stream(seed, "gradcheck")
        with substituted(parameters, tensors[count:]), training(mode), use(stream):
            return module(*tensors[:count], *fixed)

    return function
