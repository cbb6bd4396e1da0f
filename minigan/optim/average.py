"""Moving averages of weights."""

from __future__ import annotations

import copy

from ..nn.module import Module


class MovingAverage:
    """A twin of ``module`` whose weights follow it: average ← decay·average + (1 − decay)·weight.

    For a generator the average makes better samples than the last weights (Yazıcı et al., 2019).
    While t updates are few, the decay is min(decay, (1 + t)/(10 + t)), so that the first weights
    are forgotten soon. Statistics that are kept, not trained, are averaged alike: those of batch
    norm then belong to the averaged weights rather than to the last ones.
    """

    def __init__(self, module: Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay: got {decay}, wanted a number in [0, 1)")
        self.decay, self.module = decay, copy.deepcopy(module).eval()

    def update(self, module: Module, step: int) -> None:
        """Move towards ``module``'s weights after its ``step``-th update, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own = self.module.named_state()
        for name, parameter in module.named_state().items():
            array = own[name]._array
            own[name].assign(array + (parameter._array - array) * array.dtype.type(1 - decay))
