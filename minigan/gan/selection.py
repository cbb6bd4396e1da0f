"""Cures that choose what counts: older fakes, exchanged labels, the best samples of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, whole
from ..backend import Array, array_module, device_of, to_device
from ..ops import where
from ..tensor import Tensor
from .cures import DISCRIMINATOR, GENERATOR, Cure, Turn

if TYPE_CHECKING:
    from .game import Game


@dataclass(frozen=True)
class HistoryPool(Cure):
    """Each fake that D learns from is, half of the time, an older one out of a pool of ``size``.

    The new one takes its place there (Shrivastava et al., 2017, section 2.3; as in CycleGAN).
    """

    size: int = 50
    needs_own_fakes = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("size", self.size)

    def start(self, game: Game) -> dict[str, Array]:
        if game.conditioning is not None:
            raise ValueError(
                "HistoryPool: an older image was made for another label, so it does not go with "
                "conditioning"
            )
        for cure in game.cures:
            if cure.asks_for_noise:
                raise ValueError(
                    "HistoryPool: an older image was made of other noise, so it does not go with "
                    f"{type(cure).__name__}"
                )
        images = np.zeros((self.size, *game.image_shape()), game.dtype)
        return {"images": images, "count": np.zeros((), np.int64)}

    def fakes(self, turn: Turn) -> Any:
        memory, stream = turn.memory(self), turn.streams.augmentation
        pool, count = memory["images"], memory["count"]
        made = turn.images._array.copy()
        old, slots = stream.uniform(len(made)) < 0.5, stream.integers(self.size, len(made))
        for i in range(len(made)):
            if count < self.size:
                pool[int(count)] = made[i]
                count += 1
            elif old[i]:
                slot = int(slots[i])
                made[i], pool[slot] = pool[slot].copy(), made[i].copy()
        return Tensor(made)


@dataclass(frozen=True)
class LabelFlip(Cure):
    """Each pair of a real and a fake image changes places in D's loss, with ``probability``.

    Noise on D's labels, so that it can't be sure of them (Chintala et al., 2016, "How to train a
    GAN", tip 6).
    """

    probability: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        number("probability", self.probability, "[0, 1]")

    def judged(self, turn: Turn) -> Turn:
        if turn.player != DISCRIMINATOR:
            return turn
        real, fake = turn.real.logits, turn.fake.logits
        if real.shape != fake.shape:
            raise ValueError(f"LabelFlip: got {real.shape} real and {fake.shape} fake scores")
        drawn = turn.streams.penalty.uniform(len(real)) < self.probability
        flipped = to_device(drawn.reshape(-1, *[1] * (real.ndim - 1)), device_of(real._array))
        return replace(
            turn,
            real=turn.real._replace(logits=where(flipped, fake, real)),
            fake=turn.fake._replace(logits=where(flipped, real, fake)),
        )


@dataclass(frozen=True)
class TopK(Cure):
    """G learns from the k fakes of its batch that D takes for the most real.

    k falls from the whole batch by ``fall`` a step to the share ``least`` of it (Sinha et al.,
    2020, section 3: to half or three quarters).
    """

    least: float = 0.5
    fall: float = 0.9995

    def __post_init__(self) -> None:
        super().__post_init__()
        number("least", self.least, "(0, 1]")
        number("fall", self.fall, "[0, 1]")

    def judged(self, turn: Turn) -> Turn:
        if turn.player != GENERATOR:
            return turn
        scores = turn.fake.logits._array.reshape(len(turn.fake.logits), -1).mean(axis=1)
        k = math.ceil(max(self.least, self.fall**turn.step) * len(scores))
        best = array_module(scores).argsort(-scores)[:k]
        real = None if turn.real is None else turn.real.rows(best)
        return replace(turn, fake=turn.fake.rows(best), real=real)
