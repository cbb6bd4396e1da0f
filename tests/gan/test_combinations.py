"""Losses, penalties, views, conditioning and schemes together: a drawn matrix of 200 games."""

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


@pytest.mark.parametrize("group", range(GROUPS))
def test_combinations_train_and_resume_with_the_same_bits(group, tmp_path):
    for number in range(group * EACH, (group + 1) * EACH):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of batch norm beside a penalty, which is drawn too
            runs = []
            for _ in range(2):
                game, settings = drawn(number)
                runs.append(Trainer(game, **settings))
        whole, again = runs
        whole.fit(IMAGES, STEPS // 2, BATCH)
        whole.save(tmp_path / "state.npz")
        report = whole.fit(IMAGES, STEPS // 2, BATCH)
        assert np.isfinite(report[1:]).all(), number
        again.load(tmp_path / "state.npz")
        again.fit(IMAGES, STEPS // 2, BATCH)
        assert bits(again.state()) == bits(whole.state()), number
