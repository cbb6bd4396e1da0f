"""Moving averages of weights."""

from __future__ import annotations

import copy

import numpy as np

from ..arguments import instance, number
from ..backend import Array, to_device
from ..errors import NotCapturable
from ..kernels import cuda
from ..nn.module import Module


class MovingAverage:
    """A twin of ``module`` whose weights follow it: average ← decay·average + (1 − decay)·weight.

    For a generator the average makes better samples than the last weights (Yazıcı et al., 2019).
    While t updates are few, the decay is min(decay, (1 + t)/(10 + t)), so that the first weights
    are forgotten soon. Statistics that are kept, not trained, are averaged alike: those of batch
    norm then belong to the averaged weights rather than to the last ones.
    """

    def __init__(self, module: Module, decay: float = 0.999) -> None:
        instance("module", module, Module, "a Module")
        self.decay = number("decay", decay, "[0, 1)")
        self.module = copy.deepcopy(module).eval()

    def update(self, module: Module, step: int) -> None:
        """Move towards ``module``'s weights after its ``step``-th update, counted from 0."""
        self._follow(module, np.array([self.share(step)]))

    def update_later(self, module: Module, share: Array, go: Array) -> None:
        """``update`` in a captured step: ``share(step)`` will stand in the GPU's memory by then.

        Where ``go`` is 0 there, nothing is to be changed.
        """
        self._follow(module, share, go)

    def share(self, step: int) -> float:
        """How far of the way to the weights the average goes after that update."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    def _follow(self, module: Module, share: Array, go: Array | None = None) -> None:
        own = self.module.named_state()
        for name, parameter in module.named_state().items():
            average, array = own[name], own[name]._array
            if cuda.has_kernels(array) and array.flags.c_contiguous:
                share = to_device(share, average.device)
                cuda.follow(array, parameter._array, share, go)
                if average._version is not None:
                    average._version[0] += 1
            elif go is not None:
                raise NotCapturable(f"averages of {array.dtype} have no kernel")
            else:
                moved = (parameter._array - array) * array.dtype.type(float(share[0]))
                average.assign(array + moved)
