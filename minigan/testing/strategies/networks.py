"""Random networks that can be checked: layers that fit together, and a point off every kink.

What a random network must avoid is not only a wrong shape. A bias in front of a batch norm has no
effect, nor has any shift of a channel that only linear layers separate from it; the mean over
positions undoes an instance norm; a relu may be dead or have an element at zero. Then a gradient
is zero but for rounding, or does not exist, and checking it decides nothing. So networks grow
layer by layer with the values that flow through them, and a layer is offered only where it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ... import nn, random
from ...tensor import Tensor
from ..values import Shape
from . import layers
from .arrays import seeds
from .layers import Growth
from .shapes import check_range


@dataclass(frozen=True, eq=False)
class Network:
    """A float64 network with random parameters, a fitting input, and the mode that it runs in.

    Called with an input and, in the order of ``inputs``, other values for its parameters, it is a
    function of all of them: ``check_gradients(network, network.inputs)``. Dropout draws the same
    mask in every call, from ``seed``.
    """

    module: nn.Sequential
    input: np.ndarray
    training: bool
    seed: int

    @property
    def inputs(self) -> list[np.ndarray]:
        """The input, and the values of the trained parameters."""
        return [self.input, *(p.numpy() for p in self.module.parameters())]

    def __call__(self, x: Any, *parameters: Any) -> Tensor:
        """The network's result for x, with ``parameters`` (all, or none for its own)."""
        with (
            _replaced(self.module, parameters),
            nn.training(self.training),
            random.use(self.seed),
        ):
            return self.module(x)

    def __repr__(self) -> str:
        mode = "training" if self.training else "evaluation"
        return f"<{self.module!r} in {mode} on {self.input.shape}, seed {self.seed}>"


@contextmanager
def _replaced(module: nn.Module, tensors: Sequence[Any]) -> Iterator[None]:
    """The module with ``tensors`` in the place of its trained parameters, if there are any."""
    own = module.named_parameters()
    if len(tensors) not in (0, len(own)):
        raise TypeError(f"got {len(tensors)} parameters, wanted none or {len(own)}: {list(own)}")
    owners = dict(module.named_modules())
    try:
        for name, tensor in zip(own, tensors, strict=False):
            _set(owners, name, tensor)
        yield
    finally:
        for name, parameter in own.items():
            _set(owners, name, parameter)


def _set(owners: dict[str, nn.Module], name: str, value: Any) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(owners[owner], attribute, value)


def networks(
    min_layers: int = 1,
    max_layers: int = 4,
    batch_norm: bool = True,
    dropout: bool = True,
    kinks: bool = True,
) -> SearchStrategy[Network]:
    """A network of ``min_layers`` to ``max_layers`` layers on vectors, sequences or maps.

    Batch norm, dropout, and layers with kinks (the relu family and max pooling, whose inputs then
    keep 0.02 or more from the kink) can be left out. Each trained parameter has an effect, and
    the networks are small: 3 or 4 samples, axes of 2 to 4. Checking one can still take longer than
    the 200 ms that Hypothesis grants an example: put ``@settings(deadline=None)`` on the test.
    """
    check_range("layers", min_layers, max_layers, least=1)
    return _networks(min_layers, max_layers, layers.Allowed(batch_norm, dropout, kinks))


@st.composite
def _networks(
    draw: st.DrawFn, min_layers: int, max_layers: int, allowed: layers.Allowed
) -> Network:
    training, seed = draw(st.booleans()), draw(seeds())
    shape = _shape(draw)
    growth = Growth(shape, training, np.random.default_rng(seed))
    with nn.training(training), random.use(seed):
        for _ in range(draw(st.integers(min_layers, max_layers))):
            growth.add(draw(st.one_of(layers.fitting(growth, allowed))))
    assume(growth.is_alive)
    return Network(nn.Sequential(*growth.layers), growth.input, training, seed)


def _shape(draw: st.DrawFn) -> Shape:
    positions = draw(st.sampled_from([0, 1, 2, 2, 2]))
    sides = [draw(st.integers(2, 4)) for _ in range(positions)]
    return (draw(st.integers(3, 4)), *sides, draw(st.integers(2, 4)))
