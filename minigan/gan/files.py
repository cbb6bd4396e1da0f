"""A generator in a file: its weights, its architecture, and the noise that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import NamedTuple

import numpy as np

from ..files import FileError
from ..nn import Module, load, read_notes, save
from .latent import Latent, Normal, Uniform
from .sampling import sample

_LATENTS = {"Normal": Normal, "Uniform": Uniform}


class SavedGenerator(NamedTuple):
    """A generator as it comes out of a file, ready to sample."""

    generator: Module
    latent: Latent
    image_range: tuple[float, float]

    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """``count`` images (count, H, W, C): the same as the trainer's ``sample`` gives."""
        return sample(self.generator, self.latent, count, seed)


def save_generator(
    generator: Module, latent: Latent, image_range: tuple[float, float], path: str | PathLike[str]
) -> None:
    """Write a generator that ``load_generator`` can use without knowing where it was trained."""
    if not isinstance(latent, (Normal, Uniform)) or type(latent).__name__ not in _LATENTS:
        raise TypeError(f"latent: only {', '.join(_LATENTS)} can be saved, got {latent!r}")
    settings = latent._asdict()
    notes = {"latent": [type(latent).__name__, settings], "image_range": list(image_range)}
    save(generator, path, notes)


def load_generator(
    path: str | PathLike[str], custom: Mapping[str, type[Module]] | None = None
) -> SavedGenerator:
    """Read what ``save_generator`` wrote. Raises ``FileError`` for any other file."""
    notes = read_notes(path)
    try:
        name, settings = notes["latent"]
        latent = _LATENTS[name](**settings)
        low, high = map(float, notes["image_range"])
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{path}: holds no generator (its header names no latent)") from None
    return SavedGenerator(load(path, custom), latent, (low, high))
