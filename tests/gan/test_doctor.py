"""The doctor: it names what is wrong, leaves healthy runs alone, and changes nothing."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import devices
import numpy as np
import pytest
from games import LATENT, bits, networks, pictures, trainer
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from benchmarks.doctor import FAULTS, KNOWN, RECIPES, UNKNOWN, Swapped, found
from minigan import gan, nn, recipes
from minigan.errors import HealthWarning, NonFiniteError
from minigan.gan import LOSSES, R1, Batch, Game, GradientPenalty, Labels, Normal, Output, Trainer
from minigan.gan.doctor import EVERY
from minigan.gan.losses import loss_named
from minigan.gan.signs import Facts, _coarse, _nearest
from minigan.gan.update import Scores
from minigan.optim import SGD, Adam, Linear, Warmup


def quiet(run):
    """The trainer, whose findings are only kept."""
    run.doctor.tell = lambda finding: None
    return run


# What it finds


@pytest.mark.parametrize("seed", [0, 1], ids=["one kind", "another"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_with_a_step_and_advice(fault, seed):
    _, run = found(FAULTS[fault](RECIPES["mlp"](), bool(seed)), seed, 400, fault)
    (finding,) = [one for one in run.findings if one.name == fault][:1]
    assert finding.step <= run.step_count + 1
    assert str(finding).startswith(f"step {finding.step}: {fault}: ")
    assert finding.message and finding.advice and "\n" not in str(finding)


class Constant(gan.Cure):
    """Adds to D's loss what nobody can do anything about, as class logits may for long."""

    def discriminator(self, turn):
        return mg.Tensor(np.float32(1.0))


@pytest.mark.parametrize("fault", ["saturated discriminator", "swapped labels"])
@pytest.mark.parametrize(
    "changes",
    [
        {"cures": [Constant()]},
        {"loss": gan.NonSaturating(real_label=0.9)},
        {"loss": gan.NonSaturating(real_label=0.9), "cures": [Constant()]},
    ],
    ids=["another term", "smoothed labels", "both"],
)
def test_the_games_loss_alone_tells_how_sure_the_discriminator_is(fault, changes):
    plan = FAULTS[fault](replace(RECIPES["mlp"](), **changes), fault == "swapped labels")
    named, _ = found(plan, 0, 400, fault)
    assert fault in [name.partition(" (")[0] for name in named]


def test_fakes_above_real_images_are_no_swapped_labels_where_the_discriminator_loses():
    """A generator that is far ahead of a discriminator which cannot follow."""
    plan = replace(RECIPES["mlp"](), rates=(3e-3, 1e-7))
    named, run = found(plan, 0, 250)
    assert all(r.real_score < r.fake_score for r in run.doctor._reports)
    assert "swapped labels" not in [name.partition(" (")[0] for name in named]


def test_healthy_digits_have_nothing_wrong_with_them():
    recipe = recipes.RECIPES["digits"]
    run = recipe.make_trainer({**recipe.SETTINGS, "width": 8}, (8, 8, 1), 0, devices.default())
    run.fit(KNOWN, 100, 32, held_out=UNKNOWN)  # warnings are errors here
    assert run.findings == ()


def test_margins_over_held_out_images_and_over_fakes():
    run = trainer(drop=0.5, optimizers=SGD(0.0))
    real, unknown, made = pictures(8), pictures(8, seed=1), []
    run.step(real)
    assert run.doctor._seen[-1].margins is None  # there are no held-out images
    run = trainer(drop=0.5, optimizers=SGD(0.0))
    run.doctor.hold_out(Batch(unknown))
    with nn.watch(lambda m, y: made.append(y.numpy()) if m is run.game.generator else None):
        run.step(real)
    judge = run.game.discriminator.eval()
    known, held_out, fake = (judge(x).numpy()[:, 0] for x in (real, unknown, made[-1]))
    deviation = np.sqrt(np.mean([x.var() for x in (known, held_out, fake)]))
    over = [(known.mean() - x.mean()) / deviation for x in (held_out, fake)]
    assert run.doctor._seen[-1].margins == pytest.approx(over, rel=1e-4)


def test_held_out_images_may_be_batches():
    run = trainer(optimizers=SGD(0.0))
    run.fit(pictures(), 1, 8, held_out=iter([pictures(6)]))
    assert run.doctor._seen[-1].margins is not None


class Choosy(nn.Module):
    """Takes batches of eight only."""

    def forward(self, x):
        if len(x) not in (1, 8):  # one to be built with
            raise RuntimeError("eight, or nothing")
        return x


@pytest.mark.parametrize(
    "wrapped, batch, held_out, judged",
    [
        (lambda judge: gan.Packed(judge, 3), 6, 64, 6),
        (lambda judge: gan.Packed(judge, 3), 6, 5, 3),
        (lambda judge: gan.Packed(judge, 3), 6, 1, None),
        (lambda judge: nn.Sequential(nn.MinibatchStdDev(4), judge), 32, 30, 28),
        (lambda judge: nn.Sequential(nn.MinibatchStdDev(4), judge), 32, 3, None),
        (lambda judge: nn.Sequential(nn.MinibatchStdDev(None), judge), 8, 5, 5),
        (lambda judge: gan.Packed(nn.Sequential(nn.MinibatchStdDev(4), judge), 2), 16, 12, 8),
        (lambda judge: nn.Sequential(Choosy(), judge), 8, 64, 8),
        (lambda judge: nn.Sequential(Choosy(), judge), 8, 5, None),
    ],
)
def test_so_many_held_out_images_are_judged_as_the_discriminator_takes(
    wrapped, batch, held_out, judged
):
    generator, judge = networks()
    run = Trainer(Game(generator, wrapped(judge), latent=Normal(LATENT)), optimizers=SGD(0.0))
    run.fit(pictures(32), 1, batch, held_out=pictures(held_out))
    margins = run.doctor._seen[-1].margins
    if judged is None:
        assert margins is None
    else:
        assert np.isfinite(margins).all()
        assert len(run.doctor._unknown(batch, 0).images) == judged


def test_all_held_out_images_have_their_turn():
    run = trainer(optimizers=SGD(0.0))
    run.doctor.hold_out(Batch(pictures(10)))
    seen = [image for look in range(3) for image in run.doctor._unknown(4, look).images]
    assert np.array_equal(seen[:10], pictures(10))
    assert np.array_equal(seen[10:], pictures(10)[:2])


@pytest.mark.parametrize("told", [True, False])
def test_held_out_images_are_judged_with_their_labels(told):
    images, labels = pictures(8), np.arange(8) % 3
    unknown, classes = pictures(8, seed=1), (np.arange(8) + 1) % 3
    generator, judge = networks()
    generator = nn.Sequential(nn.LabelConcat(3), *generator.layers)
    judge = nn.Sequential(nn.LabelConcat(3), *judge.layers) if told else judge
    game = Game(generator, judge, latent=Normal(LATENT), conditioning=Labels(3, told))
    run, made = Trainer(game, optimizers=SGD(0.0)), []
    with nn.watch(lambda m, y: made.append(y.numpy()) if m is generator else None):
        run.fit([(images, labels)], 1, 8, held_out=[(unknown, classes)])
    given = [(images, labels), (unknown, classes), (made[-1], labels)]
    judge.eval()
    known, held_out, fake = (judge(*one[: 1 + told]).numpy() for one in given)
    deviation = np.sqrt(np.mean([x.var() for x in (known, held_out, fake)]))
    over = [(known.mean() - x.mean()) / deviation for x in (held_out, fake)]
    assert run.doctor._seen[-1].margins == pytest.approx(over, rel=1e-4)


def test_held_out_images_of_a_conditional_game_want_labels():
    generator, judge = networks()
    generator = nn.Sequential(nn.LabelConcat(3), *generator.layers)
    game = Game(generator, judge, latent=Normal(LATENT), conditioning=Labels(3, False))
    with pytest.raises(ValueError, match="labels: got none, but this game is conditional"):
        Trainer(game).fit([(pictures(8), np.arange(8) % 3)], 1, 8, held_out=pictures(8))


def test_the_range_that_is_checked_is_that_of_the_images_to_learn_from():
    run = quiet(trainer())
    run.fit([pictures(8, low=0, high=255)], 1, 8, held_out=[pictures(8)])
    assert "pixel range" in [finding.name for finding in run.findings]


def test_the_layer_and_the_setting_are_named():
    body = nn.Sequential(nn.Dense(6), nn.BatchNorm(eps=0.9, decay=0.1), *networks()[0].layers[1:])
    with pytest.warns(HealthWarning) as caught:
        run = Trainer(Game(body, networks()[1], latent=Normal(3)), optimizers=Adam(eps=0.5))
    told = [str(warning.message) for warning in caught]
    assert told == [str(finding) for finding in run.findings]
    assert "generator.1 (BatchNorm) has eps=0.9" in told[0]
    assert "generator.1 (BatchNorm) has decay=0.1" in told[1]
    assert "the generator's optimiser (Adam) has eps=0.5" in told[2]
    assert "the discriminator's optimiser (Adam) has eps=0.5" in told[3]
    assert {warning.filename for warning in caught} == {__file__}


def found_with(discriminator, loss, *cures):
    """(name, message) of what is found wrong with a game before it is played."""
    game = Game(networks()[0], discriminator, loss, Normal(LATENT), cures=cures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HealthWarning)
        return [(finding.name, finding.message) for finding in Trainer(game).findings]


def ending_in(*last):
    return nn.Sequential(networks()[1], *last)


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"least_squares", "binary_cross_entropy"}))
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda judge: nn.Sequential(judge),
        lambda judge: gan.Heads(nn.Flatten(), judge),
        lambda judge: gan.Packed(judge, 2),
        lambda judge: gan.Several(networks()[1], judge),
    ],
    ids=["Sequential", "Heads", "Packed", "Several"],
)
def test_probabilities_for_a_loss_of_raw_scores_are_named(loss, wrapped):
    played, clipped = LOSSES[loss], gan.WeightClipping(0.1)
    told = f"{type(played).__name__} takes raw scores, but the discriminator ends in a Sigmoid"
    ends = nn.Sequential(nn.Sigmoid())
    for one in (played, gan.SeveralDiscriminators(gan.FeatureMatching(played))):
        found = found_with(wrapped(ending_in(ends)), one, clipped)
        assert found == [("probabilities", told)]
        assert not found_with(wrapped(ending_in()), one, clipped)


def test_probabilities_are_what_some_losses_take():
    assert not found_with(ending_in(nn.Sigmoid()), "least_squares")
    assert not found_with(ending_in(nn.Sigmoid()), "binary_cross_entropy")
    classes = gan.Heads(ending_in(nn.Sigmoid()), class_logits=nn.Dense(3))
    assert not found_with(classes, "non_saturating")


UNBOUNDED = "Wasserstein is played with nothing to bound the critic's slope"


@pytest.mark.parametrize(
    "cures", [(), (gan.LabelFlip(),), (gan.HistoryPool(8), gan.DiffAugment(), gan.Orthogonal())]
)
@pytest.mark.parametrize("loss", ["wasserstein", gan.FeatureMatching(gan.Wasserstein())])
def test_a_critic_without_bound_is_named(loss, cures):
    assert found_with(ending_in(), loss, *cures) == [("unbounded critic", UNBOUNDED)]


class Own(gan.Cure):
    """Somebody's own, of which nobody knows what it does."""

    def discriminator(self, turn):
        return None


@pytest.mark.parametrize(
    "cure",
    [GradientPenalty(), R1(), gan.R2(), gan.Dragan(), gan.WeightClipping(), gan.LeCam(), Own()],
    ids=lambda cure: type(cure).__name__,
)
def test_a_critic_with_a_bound_is_left_alone(cure):
    assert not found_with(ending_in(), "wasserstein", cure)
    assert not found_with(ending_in(), "hinge")


def test_a_critic_may_be_bounded_by_its_layers():
    bounded = nn.Sequential(nn.Flatten(), nn.SpectralNorm(nn.Dense(1)))
    assert not found_with(bounded, "wasserstein")
    assert not found_with(nn.GradientNormalized(networks()[1]), "wasserstein")


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_adaptive_augmentation_wants_a_loss_in_which_the_sign_of_a_score_means_something(loss):
    generator, judge = networks()
    last = [nn.Sigmoid()] if loss == "binary_cross_entropy" else []
    several = gan.SeveralDiscriminators(gan.FeatureMatching(LOSSES[loss]))
    for played in (LOSSES[loss], several):
        cures = [gan.AdaptiveAugment()]
        game = Game(generator, nn.Sequential(judge, *last), played, Normal(LATENT), cures=cures)
        (objected,) = [cure.objection(game) is not None for cure in cures]
        assert objected == (loss not in ("minimax", "non_saturating", "hinge"))


def test_it_tells_each_finding_once_at_the_callers_line():
    run = trainer(optimizers=SGD(1e3), loss="hinge")
    with pytest.warns(HealthWarning, match="step 1: learning rate too high: a step") as caught:
        run.fit(pictures(), 3, 4)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("rate, name", [(300.0, "too high"), (1e-7, "too low")])
def test_a_learning_rate_that_is_far_off_is_right_after_the_advice(rate, name):
    def advised(rate):
        run = quiet(trainer(optimizers=SGD(rate)))
        run.fit(pictures(8), 5 * EVERY if name == "too low" else 1, 4)
        return [f.advice for f in run.findings if f.name == f"learning rate {name}"]

    (advice,) = advised(rate)
    better = re.fullmatch(rf"try a learning rate of about (\S+) in place of {rate:g}", advice)
    assert advised(float(better[1])) == []


def test_a_rate_that_falls_may_be_too_low_and_one_that_rises_is_not():
    falls, rises = Linear(1e-7, 0.0, 1000), Warmup(Linear(1e-2, 1e-2, 1), 10**6)
    found = []
    for rate in (falls, rises):
        run = quiet(trainer(optimizers=SGD(rate)))
        run.fit(pictures(8), 5 * EVERY, 4)
        found.append([f.name for f in run.findings])
    assert "learning rate too low" in found[0] and "learning rate too low" not in found[1]


@pytest.mark.parametrize("loss", ["minimax", "hinge"])
def test_another_loss_is_advised_where_it_would_help(loss):
    run = quiet(trainer(loss=loss, optimizers=SGD(0.0)))
    weight = run.game.generator.parameters()[-2]
    weight.assign(weight.numpy() * 0)
    run.fit(pictures(8), 5 * EVERY, 4)
    (advice,) = [f.advice for f in run.findings if f.name == "vanishing generator gradient"]
    assert ("non_saturating" in advice) is (loss == "minimax")


@pytest.mark.parametrize("rate", [0.0, 1e-30])
def test_a_rate_of_nothing_is_told(rate):
    run = quiet(trainer(optimizers=(Adam(1e-3), SGD(rate))))
    run.fit(pictures(8), 5 * EVERY, 4)
    (finding,) = [f for f in run.findings if f.name == "learning rate too low"]
    assert finding.message == f"a step at rate {rate:g} does not change the discriminator's weights"


def test_the_tensor_that_was_not_finite_is_a_finding():
    run = quiet(trainer())
    with pytest.raises(NonFiniteError) as caught:
        run.step(pictures(4) * np.nan)
    finding = run.findings[-1]
    assert finding.name == "not finite"
    assert str(caught.value) == f"step {finding.step}: {finding.message}"
    assert "the batch of real images is the first" in finding.message


def test_without_a_doctor_nothing_is_said():
    run = trainer(optimizers=SGD(1e3), loss="hinge", doctor=False)
    run.step(pictures(8, low=0, high=255))  # warnings are errors here
    assert run.findings == ()


# What it costs, and what it leaves alone


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
@pytest.mark.parametrize("cures", [(), (R1(1.0), GradientPenalty(1.0))], ids=["plain", "cured"])
@pytest.mark.parametrize("steps", [1, 2])
def test_it_changes_no_bit(update, cures, steps):
    def state(doctor):
        body = nn.Sequential(nn.Dense(6), nn.BatchNorm(), nn.ReLU(), *networks()[0].layers[2:])
        judge = nn.Sequential(nn.Flatten(), nn.Dense(5), nn.ReLU(), nn.Dropout(0.3), nn.Dense(1))
        game = Game(body, judge, latent=Normal(3), cures=cures)
        settings = {"update": update, "discriminator_steps": steps, "average": 0.9}
        run = Trainer(game, seed=3, optimizers=Adam(0.005), doctor=doctor, **settings)
        if doctor:
            quiet(run)
        reports = []
        run.fit(pictures(), 2 * EVERY, 5, [reports.append], held_out=pictures(6, seed=1))
        return bits(run.state()), reports

    assert state(True) == state(False)


def test_it_runs_no_network_but_on_held_out_images():
    class Counted(nn.Sequential):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    def calls(doctor, held_out=None):
        judge = Counted(*networks()[1].layers)
        run = Trainer(Game(networks()[0], judge, latent=Normal(3)), doctor=doctor)
        run.fit(pictures(), 2 * EVERY, 4, held_out=held_out)
        return judge.calls

    looks = 3  # at the first step, and at two more
    assert calls(True) == calls(False)
    assert calls(True, pictures(4)) == calls(False) + 3 * looks


def test_it_keeps_no_images():
    run = trainer()
    run.fit(pictures(), 1, 4)
    held = vars(run.doctor._seen[-1])
    assert held["_fakes"] is None and not held["_before"] and "batch" not in held


def test_going_back_to_a_state_starts_its_memory_anew():
    run = trainer()
    state = run.state()
    run.fit(pictures(), 3, 4)
    run.load_state(state)
    report = run.fit(pictures(), 1, 4)
    assert run.doctor._seen[-1].reports == (report,)


# What it sees


def length(arrays):
    return sum(float((a.astype("f8") ** 2).sum()) for a in arrays) ** 0.5


def test_signs_of_a_step_are_what_they_are_defined_as():
    body = nn.Sequential(nn.Dense(6), nn.ReLU(), *networks()[0].layers[2:])
    run = Trainer(Game(body, networks()[1], latent=Normal(3)), optimizers=SGD(0.01))
    before = run.state()
    run.fit(pictures(), 1, 5)
    after, seen = run.state(), run.doctor._seen[-1]
    for player in ("generator", "discriminator"):
        names = [n for n in before if n.startswith(player) and before[n].ndim > 1]
        gaps = [after[n] - before[n] for n in names]
        relative = length(gaps) / length([before[n] for n in names])
        assert seen.change[player] == pytest.approx(relative, rel=1e-4)
        for name, gap in zip(names, gaps, strict=True):  # SGD: Δw = −lr·g, and ‖w‖ is the new one
            leverage = length([gap]) / 0.01 * length([after[name]])
            path = name.removeprefix(f"{player}.")
            assert seen.leverage[player][path] == pytest.approx(leverage, rel=1e-3)


def test_tables_that_start_from_zero_are_no_layers_that_get_nothing():
    """β of a conditional batch norm is small for long, and the next layer's gradient is not."""
    told = [nn.Dense(32), nn.ConditionalBatchNorm(2), nn.ReLU(), *networks()[0].layers[1:]]
    game = Game(
        nn.Sequential(*told), networks()[1], latent=Normal(3), conditioning=Labels(2, False)
    )
    run = Trainer(game, optimizers=SGD(3e-3))
    for _ in range(6 * EVERY):
        run.step((pictures(8), np.arange(8) % 2))  # warnings are errors here
    assert all("beta" not in name for name in run.doctor._seen[-1].leverage["generator"])


def test_units_that_fire_for_some_image_are_not_dead():
    class Only(nn.Module):
        """Unit 0 fires always, unit 1 for the image that has the largest, the others never."""

        def forward(self, x):
            first = x[:, :1]
            return mg.concatenate([first * 0 + 1, first - mg.max(first) + 1e-3, x * 0 - 1], 1)

    body = nn.Sequential(nn.Dense(4), Only(), nn.ReLU(), *networks()[0].layers[2:])
    run = Trainer(Game(body, networks()[1], latent=Normal(3)))
    run.fit(pictures(), 1, 5)
    (fired,) = run.doctor._seen[-1].fired.values()
    assert fired.tolist() == [True, True, False, False, False, False]


@given(st.integers(0, 99), st.integers(2, 7))
def test_the_distance_to_the_nearest_is_that_of_a_plain_loop(seed, count):
    images = np.random.default_rng(seed).normal(5, 1, (count, 2, 3, 1))
    nearest = [
        min(np.sqrt(((a - b) ** 2).sum()) for j, b in enumerate(images) if j != i)
        for i, a in enumerate(images)
    ]
    assert _nearest(images) == pytest.approx(np.median(nearest), rel=1e-3)


class Speckled(nn.Module):
    """One picture for all, with specks of the noise on it."""

    def __init__(self) -> None:
        self.picture = nn.Dense(32 * 32)

    def forward(self, z):
        learned = self.picture(mg.as_tensor(z) * 0 + 1)
        return mg.tanh(mg.reshape(learned + 0.3 * mg.as_tensor(z), (-1, 32, 32, 1)))


def test_specks_do_not_make_a_picture_another_one():
    large = KNOWN.pixels.repeat(4, 1).repeat(4, 2)
    judge = nn.Sequential(nn.Flatten(), nn.Dense(16), nn.LeakyReLU(0.2), nn.Dense(1))
    run = quiet(Trainer(Game(Speckled(), judge, latent=Normal(1024), image_range=(-1, 1))))
    run.fit(large, 9 * EVERY, 32)
    assert "mode collapse" in [finding.name for finding in run.findings]


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 30, 2), (40, 3, 1), (28, 28, 1)])
def test_the_coarse_view_is_the_mean_over_blocks(shape):
    images = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    rows, columns = (-(-side // 8) for side in shape[:2])
    seen = [
        [
            images[:, i : i + rows, j : j + columns].mean(axis=(1, 2))
            for j in range(0, shape[1] - columns + 1, columns)
        ]
        for i in range(0, shape[0] - rows + 1, rows)
    ]
    assert np.allclose(_coarse(images), np.moveaxis(np.array(seen), 2, 0), atol=1e-6)


CHANCE = {"minimax": 2 * np.log(2), "non_saturating": 2 * np.log(2), "least_squares": 0.25}
CHANCE |= {"hinge": 2.0, "wasserstein": 0.0, "relativistic_paired": np.log(2)}
CHANCE |= {"relativistic_average": 2 * np.log(2), "binary_cross_entropy": 2 * np.log(2)}


@pytest.mark.parametrize("name", LOSSES)
def test_what_guessing_costs_and_who_plays_the_wrong_way(name):
    column = mg.Tensor(np.zeros((3, 1)))
    scores = Scores(column, column, Output(column), Output(column))
    facts = Facts.of(loss_named(name), scores)
    assert facts.chance == pytest.approx(CHANCE[name], abs=1e-6)
    assert facts.reversed == {"discriminator": False, "generator": False}
    assert Facts.of(Swapped(name), scores).reversed["discriminator"]


@pytest.mark.parametrize("label", [0.7, 0.9, 1.0])
@pytest.mark.parametrize("members", [1, 3])
def test_what_smoothed_labels_leave_of_the_loss_of_a_sure_discriminator(label, members):
    loss = gan.SeveralDiscriminators(gan.FeatureMatching(gan.NonSaturating(label)))
    column = mg.Tensor(np.zeros((3, members)))
    output = Output(column, [column] * members)
    facts = Facts.of(loss, Scores(column, column, output, output))
    entropy = sum(-p * np.log(p) for p in (label, 1 - label) if p)
    assert facts.least == pytest.approx(members * entropy, abs=1e-6)


def test_a_critics_score_may_be_low_for_real_images_if_both_players_say_so():
    class Reversed(Swapped):
        def generator(self, real, fake):
            return -self.loss.generator(real, fake)

    cures = [gan.WeightClipping(1.0)]
    run = Trainer(Game(*networks(), Reversed("wasserstein"), Normal(LATENT), cures=cures))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.fit(pictures(), 2, 4)
    assert run.doctor._facts.reversed == {"discriminator": True, "generator": True}


def test_steps_that_break_are_found_once():
    class Bad(gan.NonSaturating):
        def generator(self, real, fake):
            return super().generator(real, fake) * np.nan

    run = trainer(loss=Bad())
    for _ in range(3):
        with pytest.raises(NonFiniteError):
            run.step(pictures(8))
    assert [finding.name for finding in run.findings].count("not finite") == 1


def test_a_parameter_without_elements_is_no_trouble():
    generator, judge = networks()
    judge.extra = nn.Parameter(np.ones((0, 3)))
    run = Trainer(Game(generator, judge, latent=Normal(LATENT)))
    run.fit(pictures(), 60, 8)


@pytest.mark.parametrize("size, norm", [(1, True), (2, True), (1, False)])
def test_a_batch_of_one_under_batch_norm_is_told(size, norm):
    run = quiet(trainer(norm=norm))
    run.fit(pictures(), 1, size)
    told = [finding.message for finding in run.findings if finding.name == "batch of one"]
    message = "generator.1 normalises a single image by itself, to zeros"
    assert told == [message] * (size == 1 and norm)
