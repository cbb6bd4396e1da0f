"""Which real images each step sees: a function of the seed and of how many were seen before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..arguments import whole
from ..backend import library_on, to_device
from ..data import Images
from ..data.images import scaled
from ..nn.module import as_array
from ..random import Stream
from .game import Range
from .records import Batch

ON_A_GPU = 4 << 30
"""Bytes of pixels that a GPU keeps; of more, each batch is sent to it."""


class Feed:
    """Batches of a data set in random order, each image once an epoch (a rest is left out).

    The k-th batch depends on (seed, k) alone, so a run resumes where it stopped by knowing k.
    A GPU keeps the pixels as they came, all of them if they fit, and scales a batch itself.
    """

    def __init__(
        self, images: Images, batch: int, seed: int, image_range: Range, device: str = "cpu"
    ) -> None:
        instead = ", as many as there are images"
        batch = whole("batch", batch, 1, len(images), instead)
        self.images, self.batch, self.seed, self.range = images, batch, seed, image_range
        self._epoch = -1
        self._order = self._order_at_home = np.empty(0, np.int64)
        self.device = device
        self._home = device if images.pixels.nbytes <= ON_A_GPU else "cpu"
        self._pixels = to_device(images.pixels, self._home)

    def __call__(self, k: int) -> Batch:
        """The k-th batch of the run, counted from 0."""
        epoch, slot = divmod(k, len(self.images) // self.batch)
        if epoch != self._epoch:
            order = Stream(self.seed, "data", epoch).permutation(len(self.images))
            self._epoch, self._order = epoch, order
            self._order_at_home = to_device(order, self._home)  # once, not batch by batch
        library_on(self._home)
        part = slice(slot * self.batch, (slot + 1) * self.batch)
        pixels = to_device(self._pixels[self._order_at_home[part]], self.device)
        labels = self.images.labels
        return Batch(
            scaled(pixels, self.images.range, self.range),
            None if labels is None else labels[self._order[part]],
        )


def is_set(data: Any) -> bool:
    """Whether these are images to draw batches from, rather than batches."""
    return isinstance(data, (Images, np.ndarray)) or _is_labelled(data)


def count_of(data: Any) -> int:
    """How many images such a set has."""
    return len(data[0] if _is_labelled(data) else data)


def _is_labelled(data: Any) -> bool:
    """Whether it is a pair of arrays, images and their labels."""
    is_pair = isinstance(data, tuple) and len(data) == 2
    return is_pair and all(isinstance(a, np.ndarray) for a in data) and data[1].ndim == 1


def feed_of(
    data: Any, batch: int, seed: int, image_range: Range | None, device: str = "cpu"
) -> Any:
    """A function from k to the k-th batch, of ``Images``, an array (N, H, W, C), a pair of one and
    labels (N,), or an iterable.

    A set of images is scaled to ``image_range``, on ``device``. An iterable of batches is read as
    it comes; its position is the caller's to keep.
    """
    if is_set(data):
        if image_range is None:
            raise ValueError("image_range: got None, wanted (low, high) to scale the images to")
        return Feed(_images(data), batch, seed, image_range, device)
    if isinstance(data, Iterable) and not isinstance(data, str):
        items = _endless(data)
        return lambda k: as_batch(next(items))
    raise TypeError(
        f"data: got {type(data).__name__}, wanted Images, an array (N, H, W, C) or an iterable"
    )


def _images(data: Any) -> Images:
    if isinstance(data, Images):
        return data
    from ..data import from_arrays

    return from_arrays(*(data if _is_labelled(data) else (data,)))


def as_batch(item: Any) -> Batch:
    """An array of images, or (images, labels), or a ``Batch``, as a ``Batch``."""
    if isinstance(item, Batch):
        return item
    if isinstance(item, (tuple, list)):
        return Batch(*(part if part is None else as_array(part) for part in item[:2]))
    return Batch(as_array(item))


def _endless(data: Iterable[Any]) -> Iterator[Any]:
    while True:
        count = 0
        for count, item in enumerate(data, 1):  # noqa: B007
            yield item
        if not count:
            raise ValueError("data: the iterable has no more batches")
