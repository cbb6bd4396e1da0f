"""A module as a pure function of its inputs and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...nn import Module, training
from ...random import Stream, use
from ...tensor import Tensor


@contextmanager
def substituted(parameters: Sequence[Tensor], tensors: Sequence[Tensor]) -> Iterator[None]:
    """Within the block each parameter is the tensor: its values, and its place on the tape.

    So gradients flow to the tensors, to any order, wherever in a module the parameters are held.
    """
    before = [(p._array, p._node, p._version) for p in parameters]
    try:
        for p, t in zip(parameters, tensors, strict=True):
            p._array, p._node, p._version = t._array, t._node, t._version
        yield
    finally:
        for p, kept in zip(parameters, before, strict=True):
            p._array, p._node, p._version = kept


def functional(
    module: Module, fixed: Sequence[Any] = (), mode: bool = True, seed: int = 0
) -> Callable[..., Any]:
    """``module`` (built) as a function of its inputs, then its trained parameters.

    With ``fixed`` inputs (ids, say) it is a function of the parameters alone. It runs in training
    (``mode``) or evaluation, and what it draws (dropout) is the same in every call.
    """
    parameters = module.parameters()

    def function(*tensors: Tensor) -> Any:
        count = len(tensors) - len(parameters)
        stream = Stream(seed, "gradcheck")
        with substituted(parameters, tensors[count:]), training(mode), use(stream):
            return module(*fixed, *tensors[:count])

    return function
