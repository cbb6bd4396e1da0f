"""Games in which the generator is told what to make, or its noise has a meaning.

With ``Labels`` the generator takes a class beside its noise, and the discriminator may; ``Codes``
are noise of which ``Information`` lets the discriminator find a part (see ``recognition``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..arguments import instance, whole
from ..backend import Array, array_module, device_of, to_device
from ..random import Stream


@dataclass(frozen=True)
class Labels:
    """The generator is given a class, 0 … classes − 1, and so is the discriminator if told.

    In a step the fakes have the labels of the real images. Both networks take the labels, integers
    (N,), as their second input; with ``discriminator=False`` only the generator does.
    """

    classes: int
    discriminator: bool = True

    def __post_init__(self) -> None:
        whole("classes", self.classes, 2)

    def condition(self, labels: Any) -> np.ndarray:
        """The labels of a batch, checked."""
        if labels is None:
            raise ValueError(
                "labels: got none, but this game is conditional: give batches as (images, labels)"
            )
        found = np.asarray(labels)
        if found.dtype.kind not in "iu" or found.ndim != 1:
            raise ValueError(f"labels: got {found.dtype} {found.shape}, wanted integers (N,)")
        _check_within("labels", found, self.classes)
        return found.astype(np.int64)

    def chosen(self, label: Any, count: int) -> np.ndarray:
        """``count`` labels: this one or these; or, of None, all classes by turns."""
        if label is None:
            return np.arange(count) % self.classes
        if np.shape(label) not in ((), (count,)):
            raise ValueError(
                f"label: got shape {np.shape(label)}, wanted one class, or {count} of them"
            )
        found = np.asarray(label)
        if found.dtype.kind in "iu":
            _check_within("label", found, self.classes)
        return self.condition(np.broadcast_to(found, (count,)))


def labels_for(conditioning: Labels | None, label: Any, count: int) -> np.ndarray | None:
    """The labels to sample with: none in a game without them."""
    if conditioning is not None:
        return conditioning.chosen(label, count)
    if label is not None:
        raise ValueError(
            f"label: got {label!r}, but this generator takes no labels; where its noise has "
            "Codes, code= (--code) asks for one"
        )
    return None


class _Codes(NamedTuple):
    noise: int = 62
    categorical: tuple[int, ...] = (10,)
    continuous: int = 2


class Codes(_Codes):
    """Noise with a meaning to be found: ``noise`` normal numbers, then one-hot codes, then others.

    ``categorical`` are the numbers of classes of the one-hot codes, each drawn uniformly; the
    ``continuous`` ones are uniform on [−1, 1) (Chen et al., 2016, section 7).
    """

    anywhere = True

    def __new__(
        cls, noise: int = 62, categorical: Sequence[int] = (10,), continuous: int = 2
    ) -> Codes:
        instance("categorical", categorical, (Sequence, np.ndarray), "numbers such as (10,)")
        classes = tuple(whole(f"categorical[{i}]", n, 2) for i, n in enumerate(categorical))
        noise, continuous = whole("noise", noise, 0), whole("continuous", continuous, 0)
        return super().__new__(cls, noise, classes, continuous)

    @property
    def size(self) -> int:
        return self.noise + sum(self.categorical) + self.continuous

    def draw(self, count: int, stream: Stream) -> Array:
        """``count`` vectors, float32 (count, size)."""
        parts = [stream.normal((count, self.noise))]
        xp = array_module(parts[0])
        for classes in self.categorical:
            parts.append(xp.eye(classes, dtype="float32")[stream.integers(classes, count)])
        parts.append(stream.uniform((count, self.continuous), -1.0, 1.0))
        return xp.concatenate(parts, axis=1)

    @property
    def one_hot(self) -> list[slice]:
        """Where in a vector each categorical code is."""
        ends = [self.noise + sum(self.categorical[:k]) for k in range(len(self.categorical) + 1)]
        return [slice(*pair) for pair in pairwise(ends)]

    def told(self, noise: Array, codes: np.ndarray, which: int = 0) -> Array:
        """The noise (N, size) with a categorical code of each vector, the first, set to ``codes``.

        ``which`` counts the categorical codes from 0.
        """
        found, classes = noise.copy(), self.categorical[which]
        told = to_device(np.eye(classes, dtype=noise.dtype)[codes], device_of(noise))
        found[:, self.one_hot[which]] = told
        return found


def codes_for(latent: Any, code: Any, count: int) -> np.ndarray | None:
    """The first categorical code to sample each image with: this one, or these; None of None."""
    if code is None:
        return None
    if not isinstance(latent, Codes) or not latent.categorical:
        raise ValueError(
            f"code: got {code!r}, but this generator's noise, {latent!r}, has no categorical code; "
            "that of an InfoGAN, latent=Codes(…), has"
        )
    found, classes = np.asarray(code), latent.categorical[0]
    if found.dtype.kind not in "iu" or found.shape not in ((), (count,)):
        raise ValueError(
            f"code: got {found.dtype} of shape {found.shape}, wanted one integer, or {count}"
        )
    _check_within("code", found, classes)
    return np.broadcast_to(found, (count,))


def _check_within(name: str, found: np.ndarray, classes: int) -> None:
    """Raise a ValueError unless all of these integers are classes."""
    if found.size and not 0 <= found.min() <= found.max() < classes:
        got = f"{found.min()} to {found.max()}" if found.ndim else f"{found}"
        raise ValueError(f"{name}: got {got}, wanted 0 to {classes - 1}")
