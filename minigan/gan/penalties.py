"""Penalties: terms that keep a player, mostly the discriminator, in bounds.

s(x) is the discriminator's raw score (logit) of one image, ∇s its gradient with respect to that
image, ‖·‖ the Euclidean norm over all its pixels. Every norm is taken per sample, never over the
batch, and has the gradient 0 at 0. Each of ``Several`` discriminators has its own penalty, of
which there is the sum where their losses are added up, else the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, one_of
from ..autograd import grad
from ..backend import Array, array_module, device_of, numbers, to_device
from ..nn import Embedding, Module, VirtualBatch
from ..nn.dense import Weighted
from ..nn.module import as_array
from ..ops import einsum, norm, relu, reshape
from ..tensor import Tensor, as_tensor
from .cures import DISCRIMINATOR, GENERATOR, Cure, Turn, added
from .heads import images_together, judges_side_by_side
from .records import Draw, Output

if TYPE_CHECKING:
    from .game import Game

Judge = Callable[[Any], Output]


def slopes(judge: Judge, images: Any) -> list[Tensor]:
    """∇s of each image, flattened (N, pixels), for each column of the logits; tracked.

    Where one score is of several images (``Packed``), they are one row together. Images that are
    tracked themselves stay so.
    """
    x = as_tensor(images)
    x = x if x.requires_grad else Tensor(x._array, requires_grad=True)
    logits = judge(x).logits
    scores = reshape(logits, (len(logits), -1))
    found = []
    for column in range(scores.shape[1]):
        (g,) = grad(scores[:, column].sum(), [x], create_graph=True, retain_graph=True)
        found.append(reshape(g, (len(logits), -1)))
    return found


def _mean(terms: list[Tensor]) -> Tensor:
    """The mean over samples and columns."""
    return added(term.mean() for term in terms) / len(terms)


def _mean_square(rows: list[Tensor]) -> Tensor:
    """E‖∇s‖², the mean over samples and columns."""
    return _mean([einsum("ij,ij->i", g, g) for g in rows])


class _SlopePenalty(Cure):
    """A penalty on ∇s, which is no sample's own where the discriminator mixes samples."""

    def objection(self, game: Game) -> tuple[str, str] | None:
        mixed = game.discriminator.mixing
        if not mixed:
            return None
        return (
            f"{type(self).__name__}: the discriminator's {mixed[0]} makes a score depend on the "
            "other images of the batch, so its gradient is not one image's",
            "use LayerNorm or no normalisation in the discriminator, and no layer that looks at "
            "the batch",
        )


@dataclass(frozen=True)
class GradientPenalty(_SlopePenalty):
    """weight·E(‖∇s(x̂)‖ − target)², x̂ = εx + (1 − ε)G(z), ε uniform on [0, 1), one for each score.

    (Gulrajani et al., 2017, eq. 3: weight 10, target 1.) ``one_sided`` leaves slopes below the
    target alone: max(0, ‖∇s‖ − target)² (section 4 there; Petzka et al., 2018).
    """

    weight: float = 10.0
    target: float = 1.0
    one_sided: bool = False

    def discriminator(self, turn: Turn) -> Tensor:
        real, fake = map(turn.fixed, turn.shown)
        if real.shape != fake.shape:
            raise ValueError(f"{type(self).__name__}: got real {real.shape}, fake {fake.shape}")
        between = _for_each_score(turn, real._array)
        return turn.of_each_judge(self.at(turn.judge, fake + between * (real - fake)))

    def at(self, judge: Judge, points: Any) -> Tensor:
        """The penalty at these points (N, H, W, C), the mean over samples and columns of logits."""
        gaps = [norm(g, axis=1) - self.target for g in slopes(judge, points)]
        gaps = [relu(gap) for gap in gaps] if self.one_sided else gaps
        return self.weight * _mean([gap * gap for gap in gaps])


@dataclass(frozen=True)
class Dragan(_SlopePenalty):
    """weight·E(‖∇s(x + αδ)‖ − 1)², δ = ½·std(x)·u, std over the whole batch.

    u is uniform on [0, 1) for each pixel, α for each score. (Kodali et al., 2017, section 2.3, with
    the perturbation of the authors' code: in the paper δ is normal, and there is no α.)
    """

    weight: float = 10.0
    spread: float = 0.5

    def discriminator(self, turn: Turn) -> Tensor:
        real = as_array(turn.shown[0])
        noise = _draw(turn, "uniform", real.shape, real)
        noise *= _for_each_score(turn, real)
        points = real + real.dtype.type(self.spread) * real.std() * noise
        return turn.of_each_judge(GradientPenalty(self.weight).at(turn.judge, points))


@dataclass(frozen=True)
class R1(_SlopePenalty):
    """γ/2·E‖∇s(x)‖² on real images (Mescheder, Geiger and Nowozin, 2018, eq. 9)."""

    gamma: float = 10.0

    def discriminator(self, turn: Turn) -> Tensor:
        found = slopes(turn.judge, as_array(turn.shown[0]))
        return turn.of_each_judge(0.5 * self.gamma * _mean_square(found))


@dataclass(frozen=True)
class R2(_SlopePenalty):
    """γ/2·E‖∇s(G(z))‖² on generated images (Mescheder, Geiger and Nowozin, 2018, eq. 10)."""

    gamma: float = 10.0

    def discriminator(self, turn: Turn) -> Tensor:
        judge = lambda images: turn.judge(images, generated=True)  # noqa: E731
        found = slopes(judge, turn.fixed(turn.shown[1]))
        return turn.of_each_judge(0.5 * self.gamma * _mean_square(found))


@dataclass(frozen=True)
class LatentConsistency(Cure):
    """zCR: images of nearby noise should be judged alike, and yet look different.

    D adds weight·E(s(G(z)) − s(G(z + δ)))², G subtracts generator_weight·E(mean over pixels of
    (G(z) − G(z + δ))²), δ normal with deviation ``spread`` (Zhao et al., 2021, "Improved
    consistency regularization for GANs", algorithm 2). Where other cures change what D is shown,
    both images are changed by the same draws.
    """

    weight: float = 5.0
    generator_weight: float = 0.5
    spread: float = 0.07

    def discriminator(self, turn: Turn) -> Tensor:
        here, there = turn.alike(turn.fixed(turn.images), turn.fixed(self._nearby(turn)))
        judged = turn.shown[1] is turn.images
        score = turn.fake.logits if judged else turn.judge(here, generated=True).logits
        gap = score - turn.judge(there, generated=True).logits
        return turn.of_each_judge(self.weight * (gap * gap).mean())

    def generator(self, turn: Turn) -> Tensor:
        gap = turn.images - self._nearby(turn)
        return -self.generator_weight * (gap * gap).mean()

    def _nearby(self, turn: Turn) -> Tensor:
        noise = turn.draw.noise
        delta = noise.dtype.type(self.spread) * _draw(turn, "normal", noise.shape, noise)
        return turn.game.generate(Draw(noise + delta, turn.draw.condition))


@dataclass(frozen=True)
class LeCam(Cure):
    """weight·(E(s(x) − α_F)² + E(s(G(z)) − α_R)²), α_R and α_F moving averages of the scores.

    (Tseng et al., 2021, eq. 4: weight 0.3 at most, the averages keep ``decay`` of the old.) For
    training with few images. Each of ``Several`` discriminators has averages of its own.
    """

    weight: float = 0.1
    decay: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        number("decay", self.decay, "[0, 1)")

    def start(self, game: Game) -> dict[str, Array]:
        judges = range(judges_side_by_side(game.discriminator))
        names = [f"{kind}.{k}" for kind in ("real", "fake") for k in judges]
        return {name: np.zeros(()) for name in (*names, "weights")}

    def discriminator(self, turn: Turn) -> Tensor:
        real, fake = turn.real.logits, turn.fake.logits
        known = self._averages(turn)
        like, half = real._array, len(known) // 2
        means = to_device(np.array(known, like.dtype), device_of(like))
        on_real, on_fake = real - means[half:], fake - means[:half]
        total = (on_real * on_real).mean() + (on_fake * on_fake).mean()
        return turn.of_each_judge(self.weight * total)

    def moved(self, turn: Turn) -> None:
        if turn.player == DISCRIMINATOR:
            memories = turn.memory(self).values()
            for memory, now in zip(memories, (*self._means(turn), 1.0), strict=True):
                memory[...] = self.decay * memory + (1 - self.decay) * now

    def _averages(self, turn: Turn) -> list[float]:
        """α_R of each judge, then α_F; before the first move, when there are none, the means."""
        *sums, weights = (float(array) for array in turn.memory(self).values())
        return [total / weights for total in sums] if weights else self._means(turn)

    def _means(self, turn: Turn) -> list[float]:
        """Those of the batch's scores: of real images by each judge, then of fakes."""
        judges = (len(turn.memory(self)) - 1) // 2
        columns = [o.logits._array.reshape(-1, judges) for o in (turn.real, turn.fake)]
        return numbers(column[:, k].mean() for column in columns for k in range(judges))


@dataclass(frozen=True)
class Orthogonal(Cure):
    """weight·Σ‖(WᵀW) ⊙ (1 − I)‖² over a player's weights, each as a matrix (…, outputs).

    The columns are pushed to be at right angles, their lengths are left alone (Brock, Donahue and
    Simonyan, 2019, eq. 3: weight 1e-4, for the generator). Tables with a row for each label are not
    among the weights, nor is the batch that ``VirtualBatch`` refers to.
    """

    weight: float = 1e-4
    of: str = GENERATOR

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("of", self.of, (GENERATOR, DISCRIMINATOR))

    def generator(self, turn: Turn) -> Tensor | None:
        return self._total(turn.game.generator) if self.of == GENERATOR else None

    def discriminator(self, turn: Turn) -> Tensor | None:
        return self._total(turn.game.discriminator) if self.of == DISCRIMINATOR else None

    def _total(self, network: Module) -> Tensor:
        grams = [einsum("ki,kj->ij", w, w) for w in _matrices(network)]
        off = [1 - array_module(g._array).eye(len(g), dtype=g.dtype) for g in grams]
        return self.weight * added((g * g * o).sum() for g, o in zip(grams, off, strict=True))


def _matrices(network: Module) -> Iterator[Tensor]:
    """Every weight of two axes or more as (rest, outputs)."""
    modules = [module for _, module in network.named_modules()]
    layers = {id(m.weight): m for m in modules if isinstance(m, Weighted)}
    others = {id(m.weight) for m in modules if isinstance(m, Embedding)}
    others |= {id(m.reference) for m in modules if isinstance(m, VirtualBatch)}
    for parameter in network.named_state().values():
        if id(parameter) in others:
            continue
        if id(parameter) in layers:
            yield layers[id(parameter)].matrix()
        elif parameter.ndim > 1:
            yield reshape(parameter, (-1, parameter.shape[-1]))


def _for_each_score(turn: Turn, images: Array) -> Array:
    """Uniform numbers (N, 1, …), one for each image, or for all images of a pack."""
    pack = images_together(turn.game.discriminator)
    shape = (len(images) // pack, *[1] * (images.ndim - 1))
    return _draw(turn, "uniform", shape, images).repeat(pack, axis=0)


def _draw(turn: Turn, kind: str, shape: tuple[int, ...], like: Array) -> Array:
    """Numbers from the stream of penalties, of the dtype and on the device of ``like``."""
    draw = getattr(turn.streams.penalty, kind)
    return draw(shape, dtype=like.dtype, device=device_of(like))
