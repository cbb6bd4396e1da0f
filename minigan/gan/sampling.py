"""Images from a generator, as a function of a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import workers
from ..arguments import whole
from ..backend import device_of, to_device
from ..buffers import at_hand
from ..kernels.bilinear import weights_unchanged
from ..kernels.blas import PER_ELEMENT
from ..nn import Module, training
from ..nn.module import as_array
from ..random import Stream
from ..tensor import Tensor, no_grad
from .conditioning import Codes, codes_for
from .cores import multiplications, own_threads
from .latent import Latent, noise_for

AT_A_TIME = 64


def noise(latent: Latent, count: int, seed: int = 0) -> np.ndarray:
    """What ``sample`` makes ``count`` images of: the latent vectors (count, size) of that seed."""
    streams = (Stream(seed, "sampling", i) for i in range(-(-count // AT_A_TIME)))
    return np.concatenate([latent.draw(AT_A_TIME, stream) for stream in streams])[:count]


def sample(
    generator: Module,
    latent: Latent,
    count: int,
    seed: int = 0,
    condition: Any = None,
    code: Any = None,
) -> np.ndarray:
    """``count`` images (count, H, W, C) in the generator's range and dtype.

    Images are made in groups of a fixed size, each with a stream of its own, so that the first
    ones are the same bits whatever the count; in evaluation mode, so that none depends on another.
    On a CPU several threads make groups of a large generator: ``mg.config(threads=…)`` bounds them,
    and ``mg.config(blas_threads=…)`` says whether BLAS's may help.
    ``condition``, if there is one, has ``count`` rows. With ``code``, one class or ``count`` of
    them, the first categorical code of the noise is that: see ``Codes``.
    """
    whole("count", count)
    if condition is not None and len(condition) != count:
        raise ValueError(f"condition: got {len(condition)} rows, wanted {count}, one an image")
    codes = codes_for(latent, code, count)

    def inputs(start: int) -> list[Any]:
        stream = Stream(seed, "sampling", start // AT_A_TIME)
        found = [noise_for(generator, latent, AT_A_TIME, stream)]
        if codes is not None and isinstance(latent, Codes):
            found = [latent.told(found[0], _group(codes, start))]
        if condition is not None:
            found.append(to_device(_group(condition, start), device_of(found[0])))
        return found

    def make(*inputs: Any) -> np.ndarray:
        return generator(*inputs).numpy()

    weights = generator.parameters()
    ours = own_threads(weights, AT_A_TIME)
    with no_grad(), training(False), at_hand(), weights_unchanged(), ours:
        made = [make(*inputs(0))]  # alone, so that weights are transformed once for all
        rest = (inputs(start) for start in range(AT_A_TIME, count, AT_A_TIME))
        made += workers.results(make, rest, _work(weights))
    return np.concatenate(made)[:count]


def _work(parameters: Sequence[Tensor]) -> int:
    """What a group's images take at least, in elements written (``workers.each``); 0 on a GPU."""
    if any(parameter.device != "cpu" for parameter in parameters):
        return 0
    return multiplications(parameters, AT_A_TIME) // PER_ELEMENT


def _group(values: Any, start: int) -> np.ndarray:
    """The rows of a group of images, the last one again and again where they end."""
    rows = to_device(as_array(values), "cpu")[start : start + AT_A_TIME]
    return np.pad(rows, [(0, AT_A_TIME - len(rows)), *[(0, 0)] * (rows.ndim - 1)], mode="edge")
