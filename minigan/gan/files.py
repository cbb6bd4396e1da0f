"""A generator in a file: its weights, its architecture, and the noise that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from ..files import FileError
from ..nn import Module, load, read_notes, save
from .conditioning import Codes, Labels, labels_for
from .latent import Latent, Normal, Uniform
from .sampling import sample

_LATENTS = {"Normal": Normal, "Uniform": Uniform, "Codes": Codes}


class SavedGenerator(NamedTuple):
    """A generator as it comes out of a file, ready to sample."""

    generator: Module
    latent: Latent
    image_range: tuple[float, float]
    conditioning: Labels | None = None

    def sample(self, count: int, seed: int = 0, label: Any = None, code: Any = None) -> np.ndarray:
        """``count`` images (count, H, W, C): the same as the trainer's ``sample`` gives.

        Of a conditional generator ``label`` is the class of all, or ``count`` classes; of one
        whose noise has ``Codes``, ``code`` is the first categorical code of all, or of each.
        """
        labels = labels_for(self.conditioning, label, count)
        return sample(self.generator, self.latent, count, seed, labels, code)


def save_generator(
    generator: Module,
    latent: Latent,
    image_range: tuple[float, float],
    path: str | PathLike[str],
    conditioning: Labels | None = None,
) -> None:
    """Write a generator that ``load_generator`` can use without knowing where it was trained."""
    if not isinstance(latent, (Normal, Uniform, Codes)) or type(latent).__name__ not in _LATENTS:
        raise TypeError(f"latent: only {', '.join(_LATENTS)} can be saved, got {latent!r}")
    settings = latent._asdict()
    notes: dict[str, Any] = {
        "latent": [type(latent).__name__, settings],
        "image_range": list(image_range),
        "classes": None if conditioning is None else int(conditioning.classes),
    }
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
        classes = notes.get("classes")
        conditioning = None if classes is None else Labels(classes)
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{path}: holds no generator (its header names no latent)") from None
    return SavedGenerator(load(path, custom), latent, (low, high), conditioning)


def difference(found: Any, wanted: Any, where: str = "") -> str | None:
    """The first place where two trees differ, in words; a file's lists may be tuples here."""
    rows = (list, tuple)
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = [(key, found.get(key), wanted.get(key)) for key in wanted | found]
    elif isinstance(found, rows) and isinstance(wanted, rows) and len(found) == len(wanted):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(found, wanted, strict=True))]
    else:
        return None if found == wanted else f"{where} is {found!r}, wanted {wanted!r}"
    places = (difference(a, b, f"{where}.{key}" if where else key) for key, a, b in pairs)
    return next((place for place in places if place), None)
