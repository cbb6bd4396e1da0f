"""Losses, penalties, views, conditioning and schemes together: a drawn matrix of 200 games.

Another of 72 games has the layers that are cures themselves.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from games import bits

from minigan import gan, nn
from minigan.data import digits
from minigan.gan import LOSSES, Codes, Game, Labels, Normal, Trainer
from minigan.optim import SGD, Adam, RMSprop

GROUPS, EACH, STEPS, BATCH = 20, 10, 20, 12
IMAGES = digits()


class OneHot(nn.Module):
    """A network that is told a digit: ten more numbers beside its flattened input."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.digits, self.flat = network, nn.Embedding(10, 10), nn.Flatten()

    def forward(self, x, labels):
        from minigan import concatenate

        return self.network(concatenate([self.flat(x), self.digits(labels)], axis=1))


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def drawn(number: int):
    """The k-th game and the settings of its trainer."""
    rng = np.random.default_rng([number, 2020])
    kind = pick(
        rng, ["plain", "plain", "told", "classes", "codes", "packed", "several", "features"]
    )
    loss = LOSSES[pick(rng, sorted(LOSSES.keys() - {"binary_cross_entropy"}))]
    penalties = [
        gan.GradientPenalty(), gan.GradientPenalty(1.0, 1.0, True), gan.Dragan(), gan.R1(0.5),
        gan.R2(0.5), gan.LeCam(), gan.Orthogonal(1e-3), gan.LatentConsistency(),
        gan.Consistency(1.0, 1.0), gan.WeightClipping(0.1), gan.HistoricalAveraging(1e-3),
    ]  # fmt: skip
    views = [
        gan.InstanceNoise(0.2, 10), gan.DiffAugment(), gan.AdaptiveAugment(images=200),
        gan.LabelFlip(0.1), gan.TopK(0.5, 0.9),
    ]  # fmt: skip
    simultaneous = rng.random() < 0.3
    if not simultaneous and kind not in ("told", "classes", "codes"):
        views.append(gan.HistoryPool(16))
    if not simultaneous:
        views.append(gan.Unrolled(2))
    cures = [
        options[i]
        for options in (penalties, views)
        for i in rng.choice(len(options), int(rng.integers(0, 3)), replace=False)
    ]
    norm = [pick(rng, [nn.LayerNorm, nn.BatchNorm])()] if rng.random() < 0.3 else []
    hidden = [nn.Dense(12), *norm, nn.LeakyReLU(0.2), nn.Dropout(0.2)]
    body = nn.Sequential(nn.Flatten(), *hidden)
    generator = nn.Sequential(nn.Dense(16), nn.ReLU(), nn.Dense(64), nn.Reshape(8, 8, 1), nn.Tanh())
    latent, conditioning = Normal(6), None
    judge: nn.Module = nn.Sequential(body, nn.Dense(1))
    if kind == "told":
        generator, judge, conditioning = OneHot(generator), OneHot(judge), Labels(10)
    elif kind == "classes":
        generator, conditioning = OneHot(generator), Labels(10, discriminator=False)
        judge = gan.Heads(body, nn.Dense(1), nn.Dense(10))
        cures.append(gan.Classification())
    elif kind == "codes":
        latent = Codes(4, (3,), 1)
        judge = gan.Heads(body, nn.Dense(1), codes=nn.Dense(4))
        cures.append(gan.Information())
    elif kind == "packed":
        judge = gan.Packed(judge, pick(rng, [2, 3]))
    elif kind == "several":
        judge = gan.Several(judge, nn.Sequential(nn.Flatten(), nn.Dense(1)))
        loss = gan.SeveralDiscriminators(loss, pick(rng, [0.0, 1.0, np.inf]))
    elif kind == "features":
        judge = gan.Heads(body, nn.Dense(1))
        loss = gan.FeatureMatching(loss)
    game = Game(generator, judge, loss, latent, (-1, 1), cures, conditioning)
    settings = {
        "seed": number,
        "optimizers": pick(rng, [Adam(1e-3), RMSprop(5e-4), (SGD(1e-2), Adam(4e-4, beta1=0.0))]),
        "update": "simultaneous" if simultaneous else "alternating",
        "first": pick(rng, ["generator", "discriminator"]),
        "discriminator_steps": pick(rng, [1, 1, 2]),
        "average": pick(rng, [None, 0.9]),
    }
    return game, settings


KINDS = [
    "spectral", "normalized", "attention", "discrimination", "deviation", "virtual", "maxout",
    "residual", "projection", "semi-supervised", "shared", "probabilities",
]  # fmt: skip
OF_A_KIND = 6


def layered(kind: str, number: int):
    """The k-th game with these layers, and the settings of its trainer."""
    rng = np.random.default_rng([KINDS.index(kind), number, 2021])
    losses = LOSSES.keys() - {"binary_cross_entropy"}
    loss = LOSSES["binary_cross_entropy" if kind == "probabilities" else pick(rng, sorted(losses))]
    options = [
        gan.GradientPenalty(), gan.R1(0.5), gan.R2(0.5), gan.Consistency(1.0, 1.0), gan.LeCam(),
        gan.LatentConsistency(), gan.Orthogonal(1e-3), gan.DiffAugment(), gan.InstanceNoise(0.2),
        gan.TopK(0.5, 0.9), gan.HistoricalAveraging(1e-3), gan.LabelFlip(0.1),
    ]  # fmt: skip
    cures = [options[i] for i in rng.choice(len(options), int(rng.integers(0, 4)), replace=False)]
    latent, conditioning = Normal(6), None

    conv, dense = nn.Conv2D(4, 3, 2, "same"), nn.Dense(1)
    if kind == "spectral":
        conv, dense = nn.SpectralNorm(conv), nn.SpectralNorm(dense)
    looks: list[nn.Module] = [conv, nn.LeakyReLU(0.2)]
    norm: nn.Module = pick(rng, [nn.BatchNorm, nn.PixelNorm])()
    pixels: list[nn.Module] = [nn.Conv2D(1, 3, padding="same"), nn.Tanh()]
    maps: list[nn.Module] = [nn.Dense(64), nn.Reshape(4, 4, 4), norm, nn.ReLU(), nn.UpSampling2D()]
    flat: list[nn.Module] = [nn.Flatten()]
    if kind == "attention":
        looks.append(nn.SelfAttention(spectral=True))
        maps.append(nn.SelfAttention())
    elif kind == "discrimination":
        flat += [nn.Dense(6), nn.MinibatchDiscrimination(3, 2)]
    elif kind == "deviation":
        looks.append(nn.MinibatchStdDev(pick(rng, [None, 4])))
    elif kind == "virtual":
        looks.insert(1, nn.VirtualBatchNorm())
    elif kind == "maxout":
        flat.append(nn.Maxout(6, 3))
    elif kind == "residual":
        maps[2] = nn.Residual(nn.Sequential(nn.Tanh(), nn.Conv2D(4, 3, padding="same")))
        looks.append(nn.Residual(nn.Sequential(nn.ReLU(), nn.Conv2D(4, 3, padding="same"))))
    elif kind == "projection":
        maps[2], conditioning = nn.ConditionalBatchNorm(10), Labels(10)
        dense = nn.Projection(10, spectral=bool(rng.random() < 0.5))
    elif kind == "shared":
        shared = nn.Dense(64)
        maps[0] = nn.Sequential(nn.Dense(64), nn.ReLU(), shared)
        looks = [nn.Flatten(), shared, nn.LeakyReLU(0.2)]
    elif kind == "probabilities":
        dense = nn.Sequential(dense, nn.Sigmoid())

    generator = nn.Sequential(*maps, *pixels)
    judge: nn.Module = nn.Sequential(*looks, *flat, dense)
    if kind == "normalized":
        judge = nn.GradientNormalized(judge)
    elif kind == "virtual":
        judge = nn.VirtualBatch(judge, 5)
    elif kind == "semi-supervised":
        judge = gan.Heads(nn.Sequential(*looks, *flat), class_logits=nn.Dense(10))
        cures.append(gan.Classification(fake=0, generator_weight=0))
    game = Game(generator, judge, loss, latent, (-1, 1), cures, conditioning)
    return game, {
        "seed": number,
        "optimizers": (Adam(1e-3, beta1=0.0), SGD(1e-2, momentum=0.5, clip_norm=1.0)),
        "update": pick(rng, ["simultaneous", "alternating"]),
        "average": pick(rng, [None, 0.9]),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_layers_combine_with_the_rest(kind, tmp_path):
    for number in range(OF_A_KIND):
        check(lambda number=number: layered(kind, number), (kind, number), tmp_path)


@pytest.mark.parametrize("group", range(GROUPS))
def test_combinations_train_and_resume_with_the_same_bits(group, tmp_path):
    for number in range(group * EACH, (group + 1) * EACH):
        check(lambda number=number: drawn(number), number, tmp_path)


def check(draw, name, folder):
    """It trains, finite, and a run that resumes half way goes on with the same bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of batch norm beside a penalty, which is drawn too
        whole, again = (Trainer(game, **settings) for game, settings in (draw(), draw()))
        whole.fit(IMAGES, STEPS // 2, BATCH)
        whole.save(folder / "state.npz")
        report = whole.fit(IMAGES, STEPS // 2, BATCH)
        assert np.isfinite(report[1:]).all(), name
        again.load(folder / "state.npz")
        again.fit(IMAGES, STEPS // 2, BATCH)
    assert bits(again.state()) == bits(whole.state()), name
