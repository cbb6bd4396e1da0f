"""What cures show, choose, remember and write, and that they go together and with a resume."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from games import LATENT, SHAPE, bits, networks, pictures, resumed
from properties import close
from turns import N, Quadratic, symmetric, turn_of

import minigan as mg
from minigan import Tensor, gan, nn
from minigan.errors import NonFiniteError
from minigan.gan import CURES, Augmentation, Cure, Game, Normal, Trainer, update
from minigan.gan.augmentation import warped
from minigan.gan.cures import Moment, Streams, objective
from minigan.gan.records import Batch
from minigan.random import Stream
from minigan.tensor import substituted
from minigan.testing import check_gradients

RNG = np.random.default_rng(0)


def game(*cures, loss="non_saturating", discriminator=None):
    generator, plain = networks()
    return Game(generator, discriminator or plain, loss, Normal(LATENT), cures=cures)


# Weights


def test_clipped_weights_stay_within_the_limit_and_the_generators_are_left_alone():
    run = Trainer(game(gan.WeightClipping(0.02)))
    run.step(pictures(8))
    assert max(abs(p.numpy()).max() for p in run.game.discriminator.parameters()) == np.float32(
        0.02
    )
    assert max(abs(p.numpy()).max() for p in run.game.generator.parameters()) > 0.1
    with pytest.raises(ValueError, match="limit: got 0, wanted a positive number"):
        gan.WeightClipping(0)


def test_historical_averaging_keeps_the_mean_of_the_weights_that_were():
    cure = gan.HistoricalAveraging(0.5)
    run = Trainer(game(cure), seed=3)
    history = [run.state()]
    for _ in range(3):
        run.step(pictures(8))
        history.append(run.state())
    for name in ("generator.0.weight", "discriminator.1.bias"):
        wanted = np.mean([state[name] for state in history], axis=0)
        np.testing.assert_allclose(history[-1][f"cure.0.{name}"], wanted, rtol=1e-5, atol=1e-7)


def test_historical_averaging_is_the_squared_distance_from_the_mean():
    cure = gan.HistoricalAveraging(0.5)
    turn = turn_of("generator", cure)
    memory = turn.memory(cure)["generator.w"]
    memory += 0.3
    close(cure.generator(turn), 0.5 * 0.09 * memory.size)


# What is judged


def test_flipped_labels_exchange_pairs_for_the_discriminator_alone():
    cure = gan.LabelFlip(0.5)
    turn = turn_of("discriminator", cure)
    drawn = Streams.of(7, 3).penalty.uniform(N) < 0.5
    assert 0 < drawn.sum() < N
    seen = cure.judged(turn)
    real, fake = turn.real.logits.numpy(), turn.fake.logits.numpy()
    for i, flipped in enumerate(drawn):
        close(seen.real.logits.numpy()[i], (fake if flipped else real)[i])
        close(seen.fake.logits.numpy()[i], (real if flipped else fake)[i])
    other = replace(turn, player="generator")
    assert cure.judged(other) is other


def test_top_k_keeps_the_best_fakes_and_ever_fewer_of_them():
    cure = gan.TopK(0.4, 0.5)
    for step, k in ((0, 5), (1, 3), (9, 2)):
        turn = turn_of("generator", cure, step=step)
        scores = np.sort(turn.fake.logits.numpy(), axis=0)[::-1]
        close(cure.judged(turn).fake.logits.numpy(), scores[:k])
    other = replace(turn, player="discriminator")
    assert cure.judged(other) is other


def test_a_pool_gives_back_older_fakes_each_once():
    cure = gan.HistoryPool(4)
    run = Trainer(game(cure))
    turn = turn_of("discriminator", memories=None)
    moment = turn.moment._replace(memories=run._memories)
    seen, shown = [], []
    for step in range(6):
        fakes = np.arange(step * 3, step * 3 + 3, dtype=np.float32).reshape(3, 1, 1, 1)
        images = Tensor(np.broadcast_to(fakes, (3, *SHAPE)).copy())
        now = replace(turn, images=images, moment=moment._replace(streams=Streams.of(1, step)))
        shown += cure.fakes(now).numpy()[:, 0, 0, 0].tolist()
        seen += fakes.ravel().tolist()
    assert shown[:3] == seen[:3]  # the pool is not full yet
    assert set(shown) <= set(seen)
    assert shown != seen and len(set(shown)) > 9
    kept = run._memories[id(cure)]["images"][:, 0, 0, 0].tolist()
    # What came in went out or is in the pool; its first four went both ways.
    assert sorted(shown + kept) == sorted(seen + seen[:4])


def test_a_pool_does_not_go_with_labels():
    conditional = Game(
        *networks(), latent=Normal(LATENT), cures=[gan.HistoryPool()], conditioning=gan.Labels(3)
    )
    with pytest.raises(ValueError, match="older image was made for another label"):
        gan.HistoryPool().start(conditional)


# What is shown


@pytest.mark.parametrize("change", [
    {"flip": True}, {"rotate": 30.0}, {"scale": 0.3}, {"translate": 0.4}, {"cutout": 0.6},
    {"brightness": 0.5}, {"contrast": 0.5}, {"saturation": 0.5},
])  # fmt: skip
def test_a_change_changes_some_images_and_none_with_probability_0(change):
    x = RNG.normal(size=(20, 6, 6, 3))
    changes = Augmentation(**change)
    close(changes(x, Stream(0), probability=0.0), x)
    changed = changes(x, Stream(0)).numpy()
    assert changed.shape == x.shape
    assert np.mean([np.abs(a - b).max() > 1e-3 for a, b in zip(changed, x, strict=True)]) > 0.25
    half = changes(x, Stream(0), probability=0.5).numpy()
    assert sum(np.abs(a - b).max() < 1e-12 for a, b in zip(half, x, strict=True)) >= 3


def test_flips_are_mirror_images():
    x = RNG.normal(size=(12, 4, 5, 1))
    y = Augmentation(flip=True)(x, Stream(1)).numpy()
    mirrored = [np.abs(b - a[:, ::-1]).max() < 1e-12 for a, b in zip(x, y, strict=True)]
    same = [np.abs(b - a).max() < 1e-12 for a, b in zip(x, y, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 0 < sum(mirrored) < 12


def matrix(rows):
    return np.array([rows], float)


def test_warping_by_whole_pixels_is_slicing():
    x = RNG.normal(size=(1, 4, 4, 2))
    moved = warped(Tensor(x), matrix([[1, 0, 1], [0, 1, -2]]), fill=9.0).numpy()
    wanted = np.full_like(x, 9.0)
    wanted[:, :3, 2:] = x[:, 1:, :2]
    close(moved, wanted)
    turned = warped(Tensor(x), matrix([[0, 1, 0], [-1, 0, 0]]), fill=0.0).numpy()
    close(turned, np.rot90(x, axes=(1, 2)))


def test_warping_between_pixels_is_the_mean_of_neighbours():
    x = RNG.normal(size=(1, 1, 4, 1))
    moved = warped(Tensor(x), matrix([[1, 0, 0], [0, 1, 0.5]]), fill=2.0).numpy().ravel()
    row = [*x.ravel(), 2.0]
    close(moved, np.array([(row[i] + row[i + 1]) / 2 for i in range(4)]))


@pytest.mark.parametrize("sides", [(33, 17), (16, 41)])
def test_a_turned_disc_is_a_disc_whatever_the_sides(sides):
    h, w = sides
    down, across = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w)[None, :] - (w - 1) / 2
    disc = np.exp(-(down**2 + across**2) / 8)  # smooth, of variance 4, and far from the border
    x = np.broadcast_to(disc[None, :, :, None], (8, h, w, 1))
    y = Augmentation(rotate=180, fill=0.0)(x, Stream(5)).numpy()[..., 0]
    for moment, wanted in ((down**2, 4), (across**2, 4), (down * across, 0)):
        found = (y * moment).sum(axis=(1, 2)) / y.sum(axis=(1, 2))
        assert abs(found - wanted).max() < 0.4  # interpolation widens by up to 2/6 of a pixel


def test_a_move_is_a_share_of_its_own_side():
    x = np.zeros((200, 9, 21, 1))
    x[:, 4, 10] = 1.0
    y = Augmentation(translate=0.2, fill=0.0)(x, Stream(6)).numpy()[..., 0]
    for k, side in ((1, 9), (2, 21)):
        at = (y.sum(axis=3 - k) * np.arange(side)).sum(axis=1) - (side - 1) / 2
        assert abs(at).max() <= 0.2 * side and 0.19 * side < at.max() and at.min() < -0.19 * side


def test_a_cut_out_square_has_its_size_and_the_rest_is_left():
    x = RNG.normal(size=(8, 6, 4, 1))
    y = Augmentation(cutout=0.5, fill=7.0)(x, Stream(2)).numpy()
    for a, b in zip(x, y, strict=True):
        hole = b == 7.0
        assert hole.sum() == 3 * 2
        rows, columns = (np.flatnonzero(hole[..., 0].any(axis=k)) for k in (1, 0))
        assert np.ptp(rows) == 2 and np.ptp(columns) == 1
        assert np.array_equal(a[~hole], b[~hole])


def test_colours_keep_what_they_should():
    x = RNG.normal(size=(6, 4, 4, 3))
    y = Augmentation(brightness=0.5)(x, Stream(3)).numpy() - x
    close(y, np.broadcast_to(y[:, :1, :1, :1], y.shape))
    y = Augmentation(contrast=0.5)(x, Stream(3)).numpy()
    close(y.mean(axis=(1, 2, 3)), x.mean(axis=(1, 2, 3)))
    ratio = y.std(axis=(1, 2, 3)) / x.std(axis=(1, 2, 3))
    assert ((ratio > 0.5) & (ratio < 1.5)).all() and np.ptp(ratio) > 0.1
    y = Augmentation(saturation=0.5)(x, Stream(3)).numpy()
    close(y.mean(axis=-1), x.mean(axis=-1))


CHANGES = Augmentation(
    rotate=30, flip=True, scale=0.2, translate=0.3, cutout=0.4, brightness=0.5, contrast=0.5,
    saturation=0.5,
)  # fmt: skip


@pytest.mark.parametrize("fill", ["lowest", "middle"])
@pytest.mark.parametrize("image_range", [(0.0, 1.0), (0.0, 255.0), (-3.0, 1.0)])
def test_changes_are_the_same_in_every_range(image_range, fill):
    x = RNG.uniform(-1, 1, size=(12, 5, 6, 3))
    changes, (low, high) = replace(CHANGES, fill=fill), image_range
    scaled = lambda images: low + (images + 1) * (high - low) / 2  # noqa: E731
    wanted = changes(x, Stream(4)).numpy()
    close(changes(scaled(x), Stream(4), image_range=image_range).numpy(), scaled(wanted))
    assert np.array_equal(changes(x, Stream(4), image_range=(-1, 1)).numpy(), wanted)


@pytest.mark.parametrize("cure", [gan.DiffAugment, gan.AdaptiveAugment, gan.Consistency])
def test_cures_change_images_by_the_range_of_the_game(cure):
    ranges = []

    class Asked(Augmentation):
        def __call__(self, images, stream, probability=1.0, image_range=None):
            ranges.append(image_range)
            return mg.as_tensor(images)

    cure = cure(changes=Asked())
    turn = turn_of("discriminator", cure)
    turn.game.image_range = (0.0, 1.0)
    cure.show(turn.shown[0], turn)
    cure.discriminator(turn)
    assert ranges == [(0.0, 1.0)]


def test_the_default_cures_show_a_game_of_0_to_1_nothing_below_0():
    """But for brightness, of which half as much is added as in a game of (−1, 1)."""
    x = pictures(40, low=0.0, high=1.0)
    for cure, lowest in ((gan.Consistency(), 0.0), (gan.DiffAugment(), -0.25)):
        plain = replace(cure.changes, contrast=0.0, saturation=0.0)
        assert plain(x, Stream(0), image_range=(0, 1)).numpy().min() >= lowest


@pytest.mark.parametrize(
    "bad", [{"rotate": -1}, {"cutout": 1.5}, {"scale": 1.0}, {"fill": "darkest"}]
)
def test_impossible_changes_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Augmentation(**bad)


@pytest.mark.parametrize(
    "cure, settings, words",
    [
        (gan.InstanceNoise, {"std": -0.1}, "std: got -0.1"),
        (gan.InstanceNoise, {"steps": 0}, "steps: got 0"),
        (gan.LabelFlip, {"probability": 1.5}, "probability: got 1.5"),
        (gan.LabelFlip, {"probability": float("nan")}, "probability: got nan"),
        (gan.AdaptiveAugment, {"images": 0}, "images: got 0"),
        (gan.LeCam, {"decay": 1.0}, "decay: got 1.0"),
    ],
)
def test_impossible_settings_are_refused(cure, settings, words):
    with pytest.raises(ValueError, match=words):
        cure(**settings)


@pytest.mark.parametrize("cure", [gan.DiffAugment(), gan.AdaptiveAugment(), gan.Consistency()])
def test_only_pictures_can_be_changed(cure):
    generator, judge = nn.Dense(2), nn.Dense(1)
    run = Trainer(Game(generator, judge, "hinge", Normal(2), (-1, 1), [cure]))
    with pytest.raises(ValueError, match=r"images: got shape \(8, 2\), wanted \(N, H, W, C\)"):
        run.step(np.zeros((8, 2), np.float32))


def test_instance_noise_fades():
    x = np.zeros((50, *SHAPE))
    for step, std in ((0, 0.4), (5, 0.2), (10, 0.0), (99, 0.0)):
        turn = turn_of("discriminator", step=step)
        seen = np.asarray(mg.as_tensor(gan.InstanceNoise(0.4, 10).show(x, turn)).numpy())
        assert abs(seen.std() - std) < 0.02
    assert gan.InstanceNoise(0.4, 10).show(x, turn) is x


def test_adaptive_augmentation_follows_the_sign_of_real_scores():
    cure = gan.AdaptiveAugment(target=0.65, images=50)
    turn = turn_of("discriminator", cure)
    memory = turn.memory(cure)["probability"]
    said = lambda *s: replace(turn, real=gan.Output(Tensor(np.array(s)[:, None])))  # noqa: E731
    cure.moved(said(1.0, 2, 3, 4, 5))
    close(memory, 0.1)
    cure.moved(said(1.0, 2, 3, 4, -5))  # the mean sign is 0.6
    close(memory, 0.0)
    cure.moved(said(-1.0, 2, 3, 4, -5))
    close(memory, 0.0)
    cure.moved(replace(said(1.0, 2, 3), player="generator"))
    close(memory, 0.0)


def test_adaptive_augmentation_counts_images_and_not_packs():
    cure = gan.AdaptiveAugment(images=1000)
    for pack in (1, 2):
        judge = nn.Sequential(nn.Flatten(), nn.Dense(1))
        played = game(cure, discriminator=judge if pack == 1 else gan.Packed(judge, pack))
        run = Trainer(played)
        judge[1].bias.assign([9.0])  # all scores are above 0, and p rises
        run.step(pictures(24))
        assert run.state()["cure.0.probability"] == 0.024, pack


def test_consistency_compares_scores_before_and_after_a_change():
    changes = Augmentation(brightness=1.0)
    cure = gan.Consistency(2.0, 0.5, changes)
    turn = turn_of("discriminator", cure)
    stream = Streams.of(7, 3).augmentation
    gaps = []
    for images in turn.shown:
        array = images.numpy() if isinstance(images, Tensor) else images
        judge = turn.game.discriminator
        gaps.append((judge(array).numpy() - judge(changes(array, stream)).numpy()) ** 2)
    close(cure.discriminator(turn), 2 * gaps[0].mean() + 0.5 * gaps[1].mean())


# Unrolling


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")  # a critic without bound
def test_unrolling_differentiates_through_the_discriminators_steps():
    """D(x) = ψx, data 0, fake θ, Wasserstein: ψᵏ⁺¹ = ψᵏ − ηθ, so L_G = −(ψ − kηθ)θ."""

    class Point(nn.Module):
        def __init__(self):
            self.theta = nn.Parameter(np.array(0.7))

        def forward(self, z):
            return self.theta + np.zeros((len(z), 1, 1, 1))

    class Slope(nn.Module):
        def __init__(self):
            self.psi = nn.Parameter(np.array(-0.4))

        def forward(self, x):
            return mg.reshape(self.psi * x, (-1, 1))

    played = Game(Point(), Slope(), "wasserstein", Normal(1), (-1, 1), [gan.Unrolled(3, 0.1)])
    run = Trainer(played, optimizers=mg.optim.SGD(0.01), first="generator")
    played.generator.theta.assign(0.7)
    run.step(np.zeros((1, 1, 1, 1)))
    slope = -(-0.4 - 2 * 3 * 0.1 * 0.7)
    close(played.generator.theta.item(), 0.7 - 0.01 * slope)
    close(played.discriminator.psi.item(), -0.4 - 0.01 * played.generator.theta.item())


AHEAD = {
    "alone": [],
    "r1": [gan.R1(2.0)],
    "r2": [gan.R2(2.0)],
    "gradient penalty": [gan.GradientPenalty(2.0)],
    "consistency": [gan.Consistency(2.0, 2.0, Augmentation(brightness=0.5))],
    "latent consistency": [gan.LatentConsistency(2.0, 0.5, 0.3)],
    "augmented": [gan.LatentConsistency(2.0, 0.5, 0.3), gan.DiffAugment()],
    "lecam": [gan.LeCam()],
}


@pytest.mark.parametrize("cures", AHEAD.values(), ids=AHEAD)
def test_the_generator_learns_through_all_terms_that_it_looks_ahead_to(cures):
    dense = lambda n: nn.Dense(n, dtype="float64")  # noqa: E731
    generator = nn.Sequential(dense(4), nn.Tanh(), dense(4), nn.Tanh(), nn.Reshape(2, 2, 1))
    judge = nn.Sequential(nn.Flatten(), dense(5), nn.Softplus(), dense(1))
    cures = [gan.Unrolled(2, 0.3), *cures]
    played = Game(generator, judge, "non_saturating", Normal(3), (-1, 1), cures)
    played.build(0)
    rng = np.random.default_rng(1)
    for p in (*generator.parameters(), *judge.parameters()):
        p.assign(rng.normal(size=p.shape))
    memories = {id(cure): cure.start(played) for cure in cures}
    for array in (a for memory in memories.values() for a in memory.values()):
        array += 0.5  # as before the first move averages are those of this batch
    batch = Batch(rng.uniform(-1, 1, (4, 2, 2, 1)))
    weight = generator[0].weight
    before = weight.numpy()

    def loss(w):
        with substituted([weight], [w]):
            turn = update._begun("generator", played, batch, Moment(5, Streams.of(3, 5), memories))
            with ExitStack() as stack:
                for cure in cures:
                    stack.enter_context(cure.judging(turn))
                return objective(replace(turn, fake=update._judged(turn, 1)))

    check_gradients(loss, [before])


def test_a_look_ahead_leaves_the_discriminators_statistics_alone():
    judge = nn.Sequential(
        nn.Flatten(), nn.SpectralNorm(nn.Dense(5)), nn.BatchNorm(), nn.ReLU(), nn.Dense(1)
    )
    run = Trainer(game(gan.Unrolled(3, 5.0), discriminator=judge), first="generator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "_discriminator_moves", lambda game, *_: 1 / 0)
        before = judge.state_dict()
        with pytest.raises(ZeroDivisionError):
            run.step(pictures(8))
    after = judge.state_dict()
    assert bits(after) == bits(before)


def test_an_older_image_does_not_go_with_codes_of_its_noise():
    networks_ = (
        networks()[0],
        gan.Heads(nn.Sequential(nn.Flatten()), nn.Dense(1), codes=nn.Dense(3)),
    )
    for cures in ([gan.HistoryPool(), gan.Information()], [gan.Information(), gan.HistoryPool()]):
        with pytest.raises(ValueError, match="HistoryPool: .*does not go with Information"):
            Trainer(Game(*networks_, latent=gan.Codes(0, (3,)), cures=cures))


# All together


ALL = [
    gan.R1(0.1), gan.R2(0.1), gan.GradientPenalty(), gan.Dragan(), gan.LatentConsistency(),
    gan.LeCam(), gan.Orthogonal(), gan.WeightClipping(0.5), gan.HistoricalAveraging(0.1),
    gan.InstanceNoise(0.1, 20), gan.DiffAugment(), gan.AdaptiveAugment(images=100),
    gan.Consistency(1.0, 1.0), gan.HistoryPool(6), gan.LabelFlip(), gan.TopK(0.5, 0.9),
    gan.Unrolled(1),
]  # fmt: skip


def test_every_cure_is_here_or_in_the_tests_of_conditioning():
    assert {type(cure).__name__ for cure in ALL} | {"Classification", "Information"} == set(CURES)


def test_all_cures_at_once_resume_with_the_same_bits(tmp_path):
    whole, again = resumed(lambda: Trainer(game(*ALL), seed=1), tmp_path / "state.npz", 6)
    assert bits(again.state()) == bits(whole.state())
    assert any(name.startswith("cure.11.") for name in whole.state())


def test_a_state_with_other_cures_is_refused(tmp_path):
    run = Trainer(game(gan.R1(1.0)))
    run.save(tmp_path / "state.npz")
    with pytest.raises(Exception, match=r"cures.*R1\(gamma=1.0\).*R1\(gamma=2.0\)"):
        Trainer(game(gan.R1(2.0))).load(tmp_path / "state.npz")


@pytest.mark.parametrize("cure", [gan.HistoryPool(), gan.Unrolled()])
def test_what_needs_turns_says_so(cure):
    with pytest.raises(ValueError, match=f"{type(cure).__name__} needs .* one after the other"):
        Trainer(game(cure), update="simultaneous")


def test_something_else_is_not_a_cure():
    with pytest.raises(TypeError, match=r"cures\[0\]: got 'r1', wanted a cure such as R1"):
        game("r1")
    with pytest.raises(TypeError, match="cures: got R1.*, wanted a list of cures"):
        Game(*networks(), cures=gan.R1())
    once = gan.LeCam()  # whose memory would be written twice a move
    with pytest.raises(ValueError, match="cures: got LeCam.* twice"):
        game(once, gan.R1(), once)
    assert len(game(gan.LeCam(), gan.LeCam()).cures) == 2


def test_memories_go_back_with_a_step_that_failed():
    class Bad(Cure):
        def generator(self, turn):
            return turn.fake.logits.mean() * float("nan")

    run = Trainer(game(gan.LeCam(), gan.HistoricalAveraging(), Bad()))
    before = bits(run.state())
    with pytest.raises(NonFiniteError):
        run.step(pictures(8))
    assert bits(run.state()) == before


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_a_users_own_cure_sees_every_move(update):
    seen = []

    class Watching(Cure):
        needs_real = True

        def moved(self, turn):
            seen.append((turn.player, turn.step, turn.real is not None, len(turn.shown[1])))

    run = Trainer(game(Watching()), update=update)
    run.fit(pictures(), 2, 8)
    moves = ["generator", "discriminator"] if update == "simultaneous" else [
        "discriminator", "generator"
    ]  # fmt: skip
    assert seen == [(player, step, True, 8) for step in range(2) for player in moves]


def test_quadratic_helper_is_what_it_says():
    a, b = symmetric(), RNG.normal(size=6)
    x = RNG.normal(size=(2, 2, 3, 1))
    flat = x.reshape(2, 6)
    close(Quadratic(a, b)(x).numpy()[:, 0], [0.5 * v @ a @ v + b @ v for v in flat])


BELOW = {
    gan.R1: "gamma",
    gan.R2: "gamma",
    gan.GradientPenalty: "weight",
    gan.Dragan: "spread",
    gan.LatentConsistency: "generator_weight",
    gan.LeCam: "weight",
    gan.Orthogonal: "weight",
    gan.HistoricalAveraging: "weight",
    gan.WeightClipping: "limit",
    gan.Classification: "fake",
    gan.Information: "continuous",
    gan.Unrolled: "rate",
    gan.InstanceNoise: "std",
    gan.AdaptiveAugment: "target",
    gan.Consistency: "fake_weight",
}


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "10"])
@pytest.mark.parametrize("cure, name", BELOW.items(), ids=lambda x: getattr(x, "__name__", x))
def test_a_weight_is_a_number_that_is_not_below_zero(cure, name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name}.*got.*{value}"):
        cure(**{name: value})
    cure(**{name: np.float32(0.5)})
