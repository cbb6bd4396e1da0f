"""Every penalty against its formula, on a discriminator whose slopes are known."""

from __future__ import annotations

import warnings
from dataclasses import replace

import games
import numpy as np
import pytest
from properties import close, plain
from turns import RNG, SHAPE, N, Quadratic, symmetric, turn_of

import minigan as mg
from minigan import Tensor, gan, nn
from minigan.gan import Game, Normal, Trainer
from minigan.gan.cures import Moment, Streams
from minigan.gan.records import Draw


def slopes(turn, x):
    d = turn.game.discriminator
    return plain(x).reshape(len(x), -1) @ d.a.numpy() + d.b.numpy()


def norms(turn, x):
    return np.array([np.sqrt(sum(v * v for v in row)) for row in slopes(turn, x)])


def test_r1_and_r2_are_half_the_mean_square_slope_of_real_and_of_fake_images():
    turn = turn_of("discriminator", gan.R1(0.7))
    close(gan.R1(0.7).discriminator(turn), 0.35 * (norms(turn, turn.batch.images) ** 2).mean())
    fakes = turn.images.numpy()
    close(gan.R2(0.7).discriminator(turn), 0.35 * (norms(turn, fakes) ** 2).mean())


@pytest.mark.parametrize("one_sided", [False, True])
def test_gradient_penalty_is_per_sample_between_pairs(one_sided):
    cure = gan.GradientPenalty(2.0, 3.0, one_sided)
    turn = turn_of("discriminator", cure)
    share = Streams.of(7, 3).penalty.uniform((N, 1, 1, 1), dtype="float64")
    assert len(set(share.ravel().tolist())) == N  # one for each pair, not one for the batch
    points = share * plain(turn.batch.images) + (1 - share) * turn.images.numpy()
    gaps = norms(turn, points) - 3
    gaps = np.maximum(gaps, 0) if one_sided else gaps
    close(cure.discriminator(turn), 2 * (gaps**2).mean())


def test_dragan_is_a_gradient_penalty_near_real_images():
    cure = gan.Dragan(2.0, 0.3)
    turn = turn_of("discriminator", cure)
    real = plain(turn.batch.images)
    stream = Streams.of(7, 3).penalty
    noise = stream.uniform(real.shape, dtype="float64")
    noise *= stream.uniform((N, 1, 1, 1), dtype="float64")  # how far each image goes that way
    gaps = norms(turn, real + 0.3 * real.std() * noise) - 1
    close(cure.discriminator(turn), 2 * (gaps**2).mean())


@pytest.mark.parametrize("cure", [gan.GradientPenalty(2.0), gan.Dragan(2.0), gan.R1(), gan.R2()])
def test_a_discriminator_without_slope_gives_finite_gradients(cure):
    flat = Quadratic(np.zeros((6, 6)), np.zeros(6))
    turn = turn_of("discriminator", cure, discriminator=flat)
    value = cure.discriminator(turn)
    assert value.item() == (2.0 if hasattr(cure, "weight") else 0.0)
    for g in mg.grad(value, flat.parameters(), allow_unused=True):
        assert g is None or not g.numpy().any()


def test_the_gradient_of_a_penalty_is_that_of_its_formula():
    a, b = symmetric(), RNG.normal(size=6)
    penalty = gan.GradientPenalty(1.0, 2.0)
    d = Quadratic(a, b)
    judge = lambda x: gan.Output(d(x))  # noqa: E731
    points = RNG.normal(size=(3, *SHAPE))
    value = penalty.at(judge, points)
    (on_b,) = mg.grad(value, [d.b])
    g = points.reshape(3, 6) @ a + b
    size = np.sqrt((g**2).sum(1, keepdims=True))
    close(on_b, (2 * (size - 2) * g / size).mean(0))


def test_a_penalty_with_batch_norm_in_the_discriminator_warns_by_name():
    def game(*layers):
        d = nn.Sequential(nn.Flatten(), nn.Dense(4), *layers, nn.ReLU(), nn.Dense(1))
        g = nn.Sequential(nn.Dense(4), nn.Reshape(2, 2, 1), nn.Tanh())
        return Game(g, d, "wasserstein", Normal(2), cures=[gan.GradientPenalty()])

    with pytest.warns(UserWarning, match=r"GradientPenalty: the discriminator's BatchNorm '2'"):
        Trainer(game(nn.BatchNorm()))
    with pytest.warns(UserWarning, match=r"GradientPenalty: the discriminator's MinibatchStdDev"):
        Trainer(game(nn.MinibatchStdDev(2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(game(nn.LayerNorm()))


def test_latent_consistency_moves_the_noise_and_keeps_the_condition():
    cure = gan.LatentConsistency(2.0, 3.0, 0.5)
    turn = turn_of("discriminator", cure)
    z = plain(turn.draw.noise)
    near = turn.game.generate(
        Draw(z + 0.5 * Streams.of(7, 3).penalty.normal(z.shape, dtype="float64"))
    )
    scores = [turn.game.discriminator(x).numpy() for x in (turn.images, near)]
    close(cure.discriminator(turn), 2 * ((scores[0] - scores[1]) ** 2).mean())
    turn = replace(turn, player="generator", moment=Moment(3, Streams.of(7, 3)))
    gap = turn.images.numpy() - near.numpy()
    close(cure.generator(turn), -3 * (gap**2).mean())


VIEWS = {
    "pool": [gan.HistoryPool(4)],
    "augmented": [gan.DiffAugment()],
    "noise": [gan.InstanceNoise(0.5)],
    "all": [gan.DiffAugment(), gan.HistoryPool(4), gan.InstanceNoise(0.5)],
}


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_latent_consistency_judges_both_images_alike(views):
    cure, terms = gan.LatentConsistency(5.0, 0.0, spread=0.0), []

    class Seen(gan.Cure):
        def discriminator(self, turn):
            terms.append(cure.discriminator(turn).item())

    networks = games.networks(dtype="float64")
    game = Game(*networks, latent=Normal(games.LATENT), cures=[*views, Seen()])
    Trainer(game).fit(games.pictures(), 4, 8)
    assert terms == [0.0] * 4


def test_lecam_pulls_scores_towards_the_others_average():
    cure = gan.LeCam(0.5, 0.9)
    turn = turn_of("discriminator", cure)
    real, fake = turn.real.logits.numpy(), turn.fake.logits.numpy()
    first = 0.5 * (((real - fake.mean()) ** 2).mean() + ((fake - real.mean()) ** 2).mean())
    close(cure.discriminator(turn), first)
    cure.moved(turn)
    close(cure.discriminator(turn), first)  # the average of one batch is that batch's mean
    memory = turn.memory(cure)
    memory["real.0"][...], memory["fake.0"][...], memory["weights"][...] = 0.3, -0.2, 0.5
    wanted = 0.5 * (((real + 0.4) ** 2).mean() + ((fake - 0.6) ** 2).mean())
    close(cure.discriminator(turn), wanted)
    cure.moved(turn)
    close(memory["real.0"], 0.9 * 0.3 + 0.1 * real.mean())
    cure.moved(replace(turn, player="generator"))
    close(memory["weights"], 0.9 * 0.5 + 0.1)


def test_lecam_has_averages_for_each_of_several_discriminators():
    judges = [Quadratic(np.zeros((6, 6)), np.full(6, k)) for k in (1.0, 50.0)]
    cure = gan.LeCam(0.5)
    turn = turn_of("discriminator", cure, discriminator=gan.Several(*judges))
    turn = replace(turn, game=playing(turn.game, gan.SeveralDiscriminators()))
    alone = [gan.LeCam(0.5) for _ in judges]
    turns = [
        turn_of("discriminator", c, discriminator=d) for c, d in zip(alone, judges, strict=True)
    ]
    turns = [  # on the same images
        replace(t, real=gan.Output(d(turn.shown[0])), fake=gan.Output(d(turn.shown[1])))
        for t, d in zip(turns, judges, strict=True)
    ]
    for _ in range(2):
        wanted = [c.discriminator(t).item() for c, t in zip(alone, turns, strict=True)]
        close(cure.discriminator(turn), sum(wanted))
        for c, t in ((cure, turn), *zip(alone, turns, strict=True)):
            c.moved(t)
        turn, *turns = (replace(t, real=t.fake, fake=t.real) for t in (turn, *turns))


def test_orthogonal_leaves_tables_of_labels_and_a_reference_batch_alone():
    layers = nn.Dense(6), nn.ConditionalBatchNorm(10), nn.Dense(4)
    network = nn.VirtualBatch(nn.Sequential(*layers), 7, classes=10)
    network.build((None, 5), (None,), seed=0)
    turn = replace(turn_of("generator"), game=Game(network, network, image_range=(-1, 1)))
    weights = [layers[k].weight.numpy().astype(float) for k in (0, 2)]
    grams = [w.T @ w for w in weights]
    total = sum((g**2).sum() - (np.diag(g) ** 2).sum() for g in grams)
    np.testing.assert_allclose(gan.Orthogonal(0.5).generator(turn).item(), 0.5 * total, rtol=1e-5)


def test_orthogonal_sums_the_squares_off_the_diagonal_of_every_gram_matrix():
    turn = turn_of("generator", gan.Orthogonal(0.5))
    w = turn.game.generator.w.numpy()
    total = sum((w[:, i] @ w[:, j]) ** 2 for i in range(6) for j in range(6) if i != j)
    close(gan.Orthogonal(0.5).generator(turn), 0.5 * total)
    assert gan.Orthogonal(0.5).discriminator(turn) is None
    with pytest.raises(ValueError, match="of: got 'both'"):
        gan.Orthogonal(of="both")


def test_orthogonal_takes_the_outputs_of_a_transposed_convolution_for_its_columns():
    layer = nn.Conv2DTranspose(3, 2, 2).build((None, 4, 4, 5), seed=0)
    turn = replace(turn_of("generator"), game=Game(layer, layer, image_range=(-1, 1)))
    w = np.moveaxis(layer.weight.numpy().astype(float), 2, -1).reshape(-1, 3)  # (kh, kw, out, in)
    total = sum((w[:, i] @ w[:, j]) ** 2 for i in range(3) for j in range(3) if i != j)
    found = gan.Orthogonal(0.5).generator(turn)
    np.testing.assert_allclose(found.item(), 0.5 * total, rtol=1e-5)


def test_packed_images_have_one_slope_together():
    d = gan.Packed(Quadratic(np.eye(12), np.zeros(12)), 2)
    d.build((None, *SHAPE))
    x = RNG.normal(size=(4, *SHAPE))
    (found,) = gan.penalties.slopes(lambda y: gan.Output(d(y)), x)
    close(np.sort(found.numpy()), np.sort(x.reshape(2, -1)))


def test_a_gradient_penalty_has_one_point_between_two_packs():
    d = gan.Packed(Quadratic(np.eye(12), np.zeros(12)), 2)
    d.build((None, *SHAPE))
    cure = gan.GradientPenalty(2.0)
    turn = turn_of("discriminator", cure, discriminator=Quadratic(np.eye(6), np.zeros(6)))
    real, fake = RNG.normal(size=(2, 4, *SHAPE))
    game = Game(turn.game.generator, d, "hinge", Normal(4), (-1, 1), [cure])
    turn = replace(turn, game=game, shown=(real, fake), real=gan.Output(d(real)))
    share = Streams.of(7, 3).penalty.uniform((2, 1, 1, 1), dtype="float64")
    packs = [x.reshape(2, 2, *SHAPE) for x in (real, fake)]
    points = share[:, None] * packs[0] + (1 - share[:, None]) * packs[1]
    slopes = points.reshape(2, -1)  # as A = I
    close(cure.discriminator(turn), 2 * ((np.sqrt((slopes**2).sum(axis=1)) - 1) ** 2).mean())


def test_several_discriminators_are_penalised_each():
    several = gan.Several(*[Quadratic(np.zeros((6, 6)), np.full(6, k)) for k in (1.0, 2.0)])
    x = Tensor(RNG.normal(size=(4, *SHAPE)))
    found = gan.penalties.slopes(several, x)
    close(found[0], np.full((4, 6), 1.0))
    close(found[1], np.full((4, 6), 2.0))


@pytest.mark.parametrize("loss", ["adds", "means"])
@pytest.mark.parametrize(
    "cure",
    [
        gan.GradientPenalty(), gan.GradientPenalty(2.0, 0.5, True), gan.Dragan(), gan.R1(),
        gan.R2(), gan.LeCam(), gan.LatentConsistency(), gan.Consistency(3.0, 2.0),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_added_weighs_as_much_beside_several_judges_as_beside_one(cure, loss):
    """Of three equal judges each learns as one alone, or by a third where the loss is a mean."""
    a, b = symmetric(), RNG.normal(size=6)
    loss = gan.SeveralDiscriminators(gan.Wasserstein()) if loss == "adds" else gan.Wasserstein()

    def gradient(count):
        first, *others = [Quadratic(a, b) for _ in range(count)]
        judge = gan.Several(first, gan.Several(*others)) if others else first
        turn = turn_of("discriminator", cure, discriminator=judge)
        turn = replace(turn, game=playing(turn.game, loss))
        turn.game.generator.w.assign(np.linspace(-1, 1, 24).reshape(4, 6))
        images = Tensor(np.linspace(-1, 1, N * 6).reshape(N, *SHAPE))
        turn = replace(turn, images=images, shown=(images + 0.25, images))
        turn = replace(turn, draw=Draw(np.ones((N, 4))), real=turn.judge(turn.shown[0]))
        turn = replace(turn, fake=turn.judge(turn.shown[1]))
        terms = cure.discriminator(turn), loss.discriminator(turn.real, turn.fake)
        return [mg.grad(term, [first.a, first.b], retain_graph=True) for term in terms]

    share = 1 if loss.adds_judges else 3
    for alone, beside in zip(gradient(1), gradient(3), strict=True):
        for one, other in zip(alone, beside, strict=True):
            close(share * other, one.numpy(), 1e-10)


def playing(game, loss):
    """The same game with another loss."""
    return Game(game.generator, game.discriminator, loss, game.latent, (-1, 1), game.cures)
