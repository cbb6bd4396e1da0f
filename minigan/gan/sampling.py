"""Images from a generator, as a function of a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import to_device
from ..nn import Module, training
from ..random import Stream
from ..tensor import no_grad
from .latent import Latent

AT_A_TIME = 64


def sample(
    generator: Module,
    latent: Latent,
    count: int,
    seed: int = 0,
    condition: Any = None,
    device: str = "cpu",
) -> np.ndarray:
    """``count`` images (count, H, W, C) in the generator's range, float32.

    Images are made in groups of a fixed size, each with a stream of its own, so that the first
    ones are the same bits whatever the count; in evaluation mode, so that none depends on another.
    ``condition``, if there is one, has ``count`` rows.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, wanted at least 1")
    if condition is not None and len(condition) != count:
        raise ValueError(f"condition: got {len(condition)} rows, wanted {count}, one an image")
    made = []
    for start in range(0, count, AT_A_TIME):
        noise = latent.draw(AT_A_TIME, Stream(seed, "sampling", start // AT_A_TIME))
        inputs = [to_device(noise, device)]
        if condition is not None:
            rows = np.asarray(condition)[start : start + AT_A_TIME]
            short = [(0, AT_A_TIME - len(rows)), *[(0, 0)] * (rows.ndim - 1)]
            inputs.append(to_device(np.pad(rows, short, mode="edge"), device))
        with no_grad(), training(False):
            made.append(generator(*inputs).numpy())
    return np.concatenate(made)[:count]
