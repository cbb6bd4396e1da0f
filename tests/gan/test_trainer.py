"""Exactness: a run's state is a function of the seed, the data and the number of steps."""

from __future__ import annotations

import copy
import itertools
import threading

import numpy as np
import pytest
from games import bits, networks, pictures, resumed, trainer
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

import minigan as mg
from minigan import nn
from minigan.errors import DeviceError, NonFiniteError, StaleTensorError
from minigan.files import FileError
from minigan.gan import (
    BinaryCrossEntropy,
    Cure,
    Game,
    HistoricalAveraging,
    LeCam,
    NonSaturating,
    Normal,
    Trainer,
    Uniform,
    WeightClipping,
)
from minigan.optim import SGD, Adam, Cosine, Linear, RMSprop, Warmup

# Large rates on small weights show a difference soonest; the doctor objects to them.
pytestmark = pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")

OPTIMIZERS = {
    "Adam": lambda: Adam(0.01, beta1=0.5),
    "AMSGrad on a schedule": lambda: Adam(Linear(0.02, 0.001, 5), amsgrad=True, weight_decay=0.1),
    "RMSprop": lambda: RMSprop(0.01, rho=0.5),
    "RMSprop with momentum": lambda: RMSprop(0.01, momentum=0.5),
    "momentum on a schedule": lambda: SGD(Cosine(0.1, 0.0, 6), momentum=0.9),
    "a pair": lambda: (SGD(0.1, momentum=0.5, nesterov=True), Adam(0.01, clip_norm=0.1)),
}

configurations = st.fixed_dictionaries(
    {
        "update": st.sampled_from(["alternating", "simultaneous"]),
        "first": st.sampled_from(["discriminator", "generator"]),
        "discriminator_steps": st.integers(1, 3),
        "average": st.sampled_from([None, 0.5]),
        "norm": st.booleans(),
        "drop": st.sampled_from([0.0, 0.4]),
        "seed": st.integers(0, 9),
        "optimizers": st.sampled_from(sorted(OPTIMIZERS)),
    }
)


def run_of(configuration):
    return trainer(**{**configuration, "optimizers": OPTIMIZERS[configuration["optimizers"]]()})


STEPS, BATCH = 7, 5  # 24 pictures make 4 batches an epoch: any run goes through several


def fitted(configuration, steps=STEPS):
    run = run_of(configuration)
    run.fit(pictures(), steps, BATCH)
    return run


@examples(20)
@given(configuration=configurations)
def test_the_same_run_twice_gives_the_same_bits(configuration):
    assert bits(fitted(configuration).state()) == bits(fitted(configuration).state())


@examples(25)
@given(configuration=configurations, cut=st.integers(0, STEPS))
def test_fit_in_pieces_is_fit_in_one_go(configuration, cut):
    run = fitted(configuration, cut)
    run.fit(pictures(), STEPS - cut, BATCH)
    assert bits(run.state()) == bits(fitted(configuration).state())


@examples(25)
@given(configuration=configurations, cut=st.integers(0, STEPS))
def test_a_new_trainer_goes_on_from_a_saved_state(tmp_path_factory, configuration, cut):
    path = tmp_path_factory.mktemp("run") / "state.npz"
    fitted(configuration, cut).save(path)
    run = run_of(configuration)
    run.load(path)
    assert run.step_count == cut
    run.fit(pictures(), STEPS - cut, BATCH)
    assert bits(run.state()) == bits(fitted(configuration).state())
    assert bits({"": run.sample(3)}) == bits({"": fitted(configuration).sample(3)})


@examples(20)
@given(configuration=configurations, data=st.data())
def test_looking_changes_no_bit(tmp_path_factory, configuration, data):
    path = tmp_path_factory.mktemp("run") / "state.npz"
    run = run_of(configuration)

    def look(report):
        what = data.draw(st.sampled_from(["nothing", "sample", "state", "save", "all"]))
        if what in ("sample", "all"):
            run.sample(data.draw(st.integers(1, 70)), seed=data.draw(st.integers(0, 3)))
        if what in ("state", "all"):
            for array in run.state().values():
                array[...] = 9  # a copy, so that writing to it is harmless
        if what in ("save", "all"):
            run.save(path)

    run.fit(pictures(), STEPS, BATCH, callbacks=[look], progress=list)
    assert bits(run.state()) == bits(fitted(configuration).state())


def test_a_run_can_go_back_in_itself():
    run = trainer(norm=True, drop=0.3, average=0.9)
    run.fit(pictures(), 3, BATCH)
    state = run.state()
    run.fit(pictures(), 4, BATCH)
    first = bits(run.state())
    run.load_state(state)
    assert run.step_count == 3
    run.fit(pictures(), 4, BATCH)
    assert bits(run.state()) == first


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@examples(20)
@given(configurations, st.data())
def test_a_step_undone_at_any_of_its_moves_leaves_no_trace(configuration, data):
    # Here both networks hold one parameter, D holds one that no loss depends on, and every weight
    # of D is clipped after its moves; all that is to be put back too.
    moves = configuration["discriminator_steps"] + 1
    bad = data.draw(st.integers(moves, 2 * moves - 1), label="the move that goes wrong")
    count = itertools.count()

    class BadMove(Cure):
        needs_real = True

        def discriminator(self, turn):
            return turn.fake.logits.mean() * (np.nan if next(count) == bad else 0.0)

        generator = discriminator

    def run():
        made = run_of(configuration)
        made.game.discriminator.extra = [made.game.generator[-3].bias, nn.Parameter(np.ones(4))]
        cures = [WeightClipping(0.1), BadMove()]
        settings = {**configuration, "optimizers": OPTIMIZERS[configuration["optimizers"]]()}
        settings = {n: v for n, v in settings.items() if n not in ("norm", "drop")}
        game = Game(made.game.generator, made.game.discriminator, latent=Normal(3), cures=cures)
        return Trainer(game, **settings)

    undone, straight = run(), run()
    batches = [pictures(BATCH, seed) for seed in range(moves - 1)]
    undone.step(*batches)
    before = bits(undone.state())
    with pytest.raises(NonFiniteError):
        undone.step(*batches)
    assert bits(undone.state()) == before
    count = itertools.repeat(0)
    for each, steps in ((undone, 1), (straight, 2)):
        for _ in range(steps):
            each.step(*batches)
    assert bits(undone.state()) == bits(straight.state())


class Breaking(Adam):
    """Breaks the step off by an error of its own, in the middle of writing weights."""

    error: type[BaseException] | None = None

    def update(self, weight, gradient, *slots):
        super().update(weight, gradient, *slots)
        if self.error is not None and len(weight) == 5:  # neither the first nor the last
            raise self.error("of one's own")


ERRORS = [NonFiniteError, ValueError, KeyboardInterrupt]


@pytest.mark.parametrize("error", ERRORS)
def test_a_first_player_that_is_broken_off_at_its_move_is_put_back(error):
    run = trainer(norm=True, optimizers=(Adam(0.01), Breaking(0.01)), average=0.5)
    run.step(pictures(8))
    before = bits(run.state())
    run.players.discriminator.error = error
    with pytest.raises(error):
        run.step(pictures(8))
    assert bits(run.state()) == before


@pytest.mark.parametrize("error", ERRORS)
def test_a_run_whose_last_player_is_broken_off_at_its_move_wants_a_saved_state(error, tmp_path):
    run = trainer(optimizers=(Adam(0.01), Breaking(0.01)), first="generator")
    run.step(pictures(8))
    before = run.state()
    run.players.discriminator.error = error
    with pytest.raises(error):
        run.step(pictures(8))
    for forbidden in (run.state, lambda: run.step(pictures(8)), lambda: run.save(tmp_path / "s")):
        with pytest.raises(RuntimeError, match=rf"step 2 .* {error.__name__}.*load a saved"):
            forbidden()
    assert not list(tmp_path.iterdir())
    run.players.discriminator.error = None
    run.load_state(before)
    assert bits(run.state()) == bits(before)
    run.step(pictures(8))


class OfOnesOwn(Adam):
    """Writes in ``step`` itself, and puts scalars into its state."""

    def step(self, gradients=None):
        self.state["seen"] = np.float64(self.state["seen"] + 1)
        for p in self.parameters.values():
            p.assign(p.numpy() * 0.5)
        super().step(gradients)

    def _first_state(self):
        return {**super()._first_state(), "seen": np.array(0.0)}


def test_an_optimiser_that_writes_in_its_step_is_put_back_too():
    class Bad(NonSaturating):
        on = False

        def generator(self, real, fake):
            return super().generator(real, fake) * (np.nan if Bad.on else 1.0)

    run = trainer(optimizers=OfOnesOwn(0.01), loss=Bad())
    run.step(pictures(8))
    before, Bad.on = bits(run.state()), True
    with pytest.raises(NonFiniteError):
        run.step(pictures(8))
    assert bits(run.state()) == before


def test_a_search_for_the_culprit_that_fails_itself_changes_nothing():
    class Tracked(nn.Module):
        def forward(self, x):
            if not getattr(x, "requires_grad", True) and Bad.found:
                raise ValueError("wants a tracked input")
            return x

    class Bad(NonSaturating):
        found = False

        def generator(self, real, fake):
            Bad.found = True
            return super().generator(real, fake) * np.nan

    generator, judge = networks()
    run = Trainer(Game(generator, nn.Sequential(Tracked(), *judge.layers), Bad(), Normal(3)))
    before = bits(run.state())
    with pytest.raises(NonFiniteError, match="loss is nan.* search .* failed .* a tracked input"):
        run.step(pictures(8))
    assert bits(run.state()) == before


def test_a_rate_that_is_none_breaks_a_step_off_before_anything_is_written():
    def rate(step):
        return 0.01 if step < 1 else -1.0

    for first in ("generator", "discriminator"):
        run = trainer(optimizers=SGD(rate), first=first)
        run.step(pictures(8))
        before = bits(run.state())
        with pytest.raises(ValueError, match="lr after 1 steps: got -1.0"):
            run.step(pictures(8))
        assert bits(run.state()) == before


@pytest.mark.parametrize("settings", [{}, {"first": "generator", "discriminator_steps": 2}])
def test_an_interrupt_after_both_moves_is_no_half_step(settings, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    run = trainer(average=0.5, **settings)
    batches = [pictures(8)] * settings.get("discriminator_steps", 1)
    run.step(*batches)
    before = run.state()
    for place in (run, run.average):
        name = "_mean_scores" if place is run else "update"
        monkeypatch.setattr(place, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.step(*batches)
        monkeypatch.undo()
        try:
            assert bits(run.state()) == bits(before)
        except RuntimeError as error:
            assert "step 2 was broken off by KeyboardInterrupt, and can't be undone" in str(error)
            run.load_state(before)
    monkeypatch.setattr(run._buffers, "trim", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.step(*batches)
    straight = trainer(average=0.5, **settings)
    straight.step(*batches)
    straight.step(*batches)
    assert bits(run.state()) == bits(straight.state())


@pytest.mark.parametrize("kept", [np.full(3, -1), np.zeros(3, bool), np.ones(2, "complex64")])
def test_what_a_cure_remembers_may_be_of_any_kind(kept):
    class Remembering(Cure):
        def start(self, game):
            return {"kept": kept}

    run = Trainer(Game(*networks(), latent=Normal(3), cures=[Remembering()]))
    run.load_state(run.state())


def test_a_copy_of_a_trainer_goes_its_own_way_with_its_cures_memories():
    cures = [HistoricalAveraging(), LeCam(), LeCam(0.5)]
    run = Trainer(Game(*networks(), latent=Normal(3), cures=cures), seed=1)
    run.step(pictures(8))
    twin = copy.deepcopy(run)
    assert bits(twin.state()) == bits(run.state())
    twin.step(pictures(8))
    assert bits(twin.state()) != bits(run.state())
    run.step(pictures(8))
    assert bits(twin.state()) == bits(run.state())


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("count.step", np.array(np.nan), "got dtype float64, wanted int64"),
        ("count.step", np.array(-5), "got -5, wanted a whole number of at least 0"),
        ("generator.0.bias", np.zeros(6, "complex64"), "got dtype complex64, wanted float32"),
        ("generator.0.bias", np.array(list("abcdef")), "got dtype <U1, wanted float32"),
    ],
)
def test_a_state_of_other_kinds_is_refused_before_anything_is_written(name, value, message):
    run = trainer()
    before = run.state()
    with pytest.raises(ValueError, match=rf"state '{name}': {message}"):
        run.load_state({**{n: a + 1 for n, a in before.items()}, name: value})
    assert bits(run.state()) == bits(before)


def test_other_users_of_random_numbers_change_no_bit():
    np.random.seed(0)
    expected = bits(fitted(PLAIN).state())
    np.random.seed(1)
    run = run_of(PLAIN)

    def disturb(report):
        np.random.normal(size=3)
        with mg.random.use(7):
            mg.ops.dropout(np.ones((3, 3)), 0.5)

    run.fit(pictures(), STEPS, BATCH, callbacks=[disturb])
    assert bits(run.state()) == expected
    position = np.random.get_state()[2]
    run.sample(70)
    assert np.random.get_state()[2] == position  # a sampler that reseeds the global generator


PLAIN = {
    "update": "alternating",
    "first": "discriminator",
    "discriminator_steps": 2,
    "average": 0.9,
    "norm": True,
    "drop": 0.3,
    "seed": 0,
    "optimizers": "Adam",
}


def test_seeds_differ_in_every_weight():
    first, second = (fitted({**PLAIN, "seed": seed}).state() for seed in (0, 1))
    for name, array in first.items():
        if name.endswith(("weight", "bias")):
            assert not np.array_equal(array, second[name]), name


def test_two_threads_at_once_give_the_bits_of_one():
    expected = [bits(fitted({**PLAIN, "seed": seed}).state()) for seed in (0, 1)]
    found, start = {}, threading.Barrier(2)

    def train(seed):
        start.wait()
        for attempt in range(3):
            found[seed, attempt] = bits(fitted({**PLAIN, "seed": seed}).state())

    threads = [threading.Thread(target=train, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {(seed, i): expected[seed] for seed in (0, 1) for i in range(3)}


def test_dropout_and_noise_differ_from_step_to_step():
    # With the weights held still, the losses of two steps on one batch differ by the draws alone.
    for settings in ({"drop": 0.5}, {}):
        run = trainer(optimizers=SGD(0.0), **settings)
        first, second = run.step(pictures(4)), run.step(pictures(4))
        assert first.fake_score != second.fake_score
        assert (first.real_score != second.real_score) == bool(settings)


# What is in a state


def test_the_state_holds_moments_learning_rates_and_counters():
    run = fitted({**PLAIN, "norm": False, "drop": 0.0})
    names = run.state().keys()
    weights = {f"{part}.{kind}" for part in ("0", "3") for kind in ("weight", "bias")}
    assert {f"generator_optimizer.mean.{w}" for w in weights if w[0] == "0"} <= names
    assert {f"discriminator_optimizer.square.{w}" for w in weights if w[0] == "3"} <= names
    assert {"generator_optimizer.lr", "discriminator_optimizer.steps"} <= names
    assert int(run.state()["count.step"]) == STEPS
    assert int(run.state()["count.batches"]) == STEPS * 2
    assert int(run.state()["discriminator_optimizer.steps"]) == STEPS * 2


def test_a_state_of_other_arrays_is_refused_before_anything_is_written():
    run = trainer()
    before, state = bits(run.state()), trainer(norm=True).state()
    with pytest.raises(ValueError, match=r"state: .*first 'discriminator\.2\.beta'"):
        run.load_state(state)
    narrow = run.state()
    narrow["generator.2.bias"] = np.ones(15)
    narrow["count.step"] = np.array(5)
    with pytest.raises(
        ValueError, match=r"'generator\.2\.bias': got shape \(15,\), wanted \(16,\)"
    ):
        run.load_state(narrow)
    assert bits(run.state()) == before


def test_a_graph_from_before_load_state_is_stale():
    run = trainer()
    y = run.game.generator(np.ones((2, 3), np.float32)).sum()
    run.load_state(run.state())
    with pytest.raises(StaleTensorError):
        y.backward()


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        fitted(PLAIN).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


# Files that must not be taken


def refused(run, path, message):
    before = bits(run.state())
    with pytest.raises(FileError, match=message):
        run.load(path)
    assert bits(run.state()) == before


def test_a_file_of_another_architecture_is_refused_by_name(tmp_path):
    path = tmp_path / "state.npz"
    trainer(norm=True).save(path)
    refused(trainer(), path, r"missing 'generator\.2\.weight' \(did you mean")
    refused(trainer(dtype="float64", norm=True), path, r"'generator.*' is .*float32, wanted .*64")


def test_a_file_of_another_slope_is_refused_by_name(tmp_path):
    # The arrays are alike in name and shape, but the networks would compute something else.
    def with_slope(slope):
        layers = nn.Flatten(), nn.Dense(5), nn.LeakyReLU(slope), nn.Dense(1)
        return Trainer(Game(networks()[0], nn.Sequential(*layers), latent=Normal(3)))

    path = tmp_path / "state.npz"
    with_slope(0.2).save(path)
    refused(with_slope(0.3), path, r"its discriminator\..* is 0\.2, wanted 0\.3")


def test_an_argument_that_was_left_out_is_a_difference(tmp_path):
    def with_norm(**settings):
        layers = nn.Flatten(), nn.Dense(5), nn.BatchNorm(**settings), nn.Dense(1)
        return Trainer(Game(networks()[0], nn.Sequential(*layers), latent=Normal(3)))

    path = tmp_path / "state.npz"
    with_norm(eps=0.1).save(path)
    refused(with_norm(), path, "kwargs.eps is 0.1, wanted None")
    with_norm().save(path)
    refused(with_norm(eps=0.1), path, "kwargs.eps is None, wanted 0.1")


OTHER = {
    "seed": {"seed": 1},
    "update": {"update": "simultaneous"},
    "first": {"first": "generator"},
    "loss": {"loss": "hinge"},
    "discriminator_steps": {"discriminator_steps": 2},
    "average": {"average": 0.6},
}


@pytest.mark.parametrize("name", OTHER)
def test_a_file_of_another_configuration_is_refused_by_name(tmp_path, name):
    path = tmp_path / "state.npz"
    common = {"average": 0.5}
    trainer(**common).save(path)
    refused(trainer(**{**common, **OTHER[name]}), path, name)
    trainer(**common).load(path)


def test_a_file_of_another_latent_or_setting_of_the_loss_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    trainer(loss=BinaryCrossEntropy()).save(path)
    refused(trainer(loss=BinaryCrossEntropy(mean_of_terms=True)), path, "loss")
    run = trainer(loss=BinaryCrossEntropy())
    run.game.latent = Uniform(3)
    refused(run, path, "latent")


def test_a_file_that_is_cut_short_or_altered_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    run = fitted(PLAIN, 2)
    run.save(path)
    data = path.read_bytes()
    bad = tmp_path / "bad.npz"
    for length in range(0, len(data), len(data) // 12):
        bad.write_bytes(data[:length])
        refused(run, bad, "bad.npz")
    # A byte in the middle of the largest array: only its checksum can tell.
    weight = run.state()["generator_optimizer.mean.0.weight"].tobytes()
    at = data.index(weight) + len(weight) // 2
    bad.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    refused(run, bad, "bad.npz")


def test_a_file_of_another_kind_is_refused(tmp_path):
    run = trainer()
    nn.save(run.game.generator, tmp_path / "module.npz")
    refused(run, tmp_path / "module.npz", "minigan.trainer/1")
    with pytest.raises(FileNotFoundError):
        run.load(tmp_path / "none.npz")


def test_save_refuses_numbers_that_are_not_finite_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "state.npz"
    run = trainer()
    run.save(path)
    before = path.read_bytes()
    run.game.generator[0].bias.assign(np.full(6, np.nan))
    with pytest.raises(NonFiniteError, match=r"generator\.0\.bias is not finite"):
        run.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


# Arguments


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"update": "both"}, 'update: got \'both\', wanted "alternating" or "simultaneous"'),
        ({"first": "G"}, 'first: got \'G\', wanted "discriminator" or "generator"'),
        (
            {"discriminator_steps": 0},
            "discriminator_steps: got 0, wanted a whole number of at least 1",
        ),
        ({"average": 1.0}, "decay: got 1.0"),
        ({"seed": -1}, "seed: got -1, wanted a whole number of at least 0"),
        ({"seed": 1.5}, "seed: got 1.5, wanted a whole number"),
        ({"seed": None}, "seed: got None, wanted a whole number"),
    ],
)
def test_a_bad_setting_is_named(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        trainer(**settings)


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)  # as if it weren't installed
    with pytest.raises(DeviceError, match='device "cuda" needs CuPy'):
        trainer(device="cuda")
    with pytest.raises(DeviceError, match="got 'tpu', wanted"):
        trainer(device="tpu")


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4, 4, 3), (4, 1, 4, 4), (4, 8, 8, 1), (4, 16)])
def test_images_of_another_shape_are_refused(shape):
    run = trainer()
    with pytest.raises(ValueError, match=r"got .* generator makes .* wanted .* \(N, 4, 4, 1\)"):
        run.step(np.zeros(shape, np.float32))
    assert run.step_count == 0


def test_steps_are_not_taken_back():
    with pytest.raises(ValueError, match="steps: got -1, wanted a whole number of at least 0"):
        trainer().fit(pictures(), -1, 8)


def test_an_empty_batch_is_refused():
    run = trainer()
    with pytest.raises(ValueError, match=r"batch: .*\(0, 4, 4, 1\)"):
        run.step(pictures()[:0])


def test_a_discriminator_for_any_size_takes_any_size():
    generator = nn.Sequential(nn.Dense(16), nn.Reshape(4, 4, 1), nn.Tanh())
    discriminator = nn.Sequential(
        nn.Conv2D(2, 3, 1, "same"), nn.GlobalAveragePooling2D(), nn.Dense(1)
    )
    discriminator.build((None, None, None, 1), seed=0)
    run = Trainer(Game(generator, discriminator, latent=Normal(3)))
    run.step(pictures(4))
    with pytest.raises(ValueError, match="got images of shape"):
        run.step(np.zeros((4, 4, 4, 3), np.float32))


def test_fit_reports_the_last_step_and_calls_back_after_each():
    run, seen = trainer(), []
    wrapped = []
    last = run.fit(
        pictures(), 3, BATCH, [seen.append], progress=lambda r: wrapped.append(r) or iter(r)
    )
    assert [report.step for report in seen] == [1, 2, 3]
    assert last is seen[-1]
    assert wrapped == [range(3)]
    assert run.fit(pictures(), 0, BATCH) is None


@pytest.mark.parametrize("loss", sorted(mg.gan.LOSSES))
@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_every_loss_trains_a_generator_towards_the_data(loss, update):
    # Data at one point: after a while the generator's mean is nearer to it, for every loss.
    run = trainer(loss=loss, update=update, optimizers=Adam(0.01, beta1=0.5))
    if loss == "binary_cross_entropy":
        generator, discriminator = run.game.generator, run.game.discriminator
        game = Game(generator, nn.Sequential(discriminator, nn.Sigmoid()), loss, Normal(3))
        run = Trainer(game, update=update, optimizers=Adam(0.01, beta1=0.5))
    data = np.full((8, 4, 4, 1), -0.6, np.float32)
    start = np.abs(run.sample(64) - data[0]).mean()
    for _ in range(60):
        run.step(data)
    assert np.abs(run.sample(64) - data[0]).mean() < 0.8 * start


def test_batches_of_the_callers_own_need_no_known_range():
    generator = nn.Sequential(nn.Dense(16), nn.Reshape(4, 4, 1))  # ends in neither Tanh nor Sigmoid
    game = Game(generator, nn.Sequential(nn.Flatten(), nn.Dense(1)), latent=Normal(3))
    run = Trainer(game)
    assert run.fit((pictures(4) * 9 for _ in range(2)), 2).step == 2
    with pytest.raises(ValueError, match="image_range"):
        run.fit(pictures(), 1, 4)


def test_bright_images_that_the_feed_has_scaled_give_no_warning():
    bright = mg.data.from_arrays(np.full((8, 4, 4, 1), 200, np.uint8))
    assert trainer().fit(bright, 1, 4).step == 1


@pytest.mark.parametrize(
    "other",
    [
        Adam(1e-3, beta1=0.9),
        Adam(1e-2, beta1=0.5),
        Adam(1e-3, beta1=0.5, clip_norm=1.0),
        Adam(Linear(1e-3, 0.0, 9), beta1=0.5),
    ],
    ids=["beta1", "lr", "clip_norm", "schedule"],
)
def test_a_state_of_another_optimiser_is_refused(tmp_path, other):
    trainer(optimizers=Adam(1e-3, beta1=0.5)).save(tmp_path / "state.npz")
    with pytest.raises(FileError, match="optimizers.*to go on with another learning rate"):
        trainer(optimizers=other).load(tmp_path / "state.npz")


def falling():
    """A schedule as another process has it: the same function, elsewhere in memory."""

    def half_as_fast(step):
        return 0.01 / (1 + step)

    return half_as_fast


@pytest.mark.parametrize("made", [falling, lambda: Warmup(falling(), 3)])
def test_a_run_with_a_function_for_its_learning_rate_resumes(tmp_path, made):
    whole, again = resumed(
        lambda: trainer(optimizers=SGD(made(), momentum=0.5)), tmp_path / "state.npz", 4
    )
    assert bits(again.state()) == bits(whole.state())


def test_a_function_of_another_name_is_another_schedule(tmp_path):
    trainer(optimizers=SGD(falling())).save(tmp_path / "state.npz")
    with pytest.raises(FileError, match="schedule is '<function .*half_as_fast>', wanted.*lambda"):
        trainer(optimizers=SGD(lambda step: 0.01 / (1 + step))).load(tmp_path / "state.npz")


def test_a_rate_may_be_changed_in_the_way_that_the_error_says(tmp_path):
    trainer(optimizers=SGD(0.01)).save(tmp_path / "state.npz")
    with pytest.raises(FileError, match=r'players.generator.state\["lr"\]\[...\]'):
        trainer(optimizers=SGD(0.0)).load(tmp_path / "state.npz")
    run = trainer(optimizers=SGD(0.01))
    run.load(tmp_path / "state.npz")
    for player in run.players:
        player.state["lr"][...] = 0
    before = run.state()
    run.fit(pictures(), 2, 8)
    weights = [name for name in before if name.endswith("weight")]
    assert weights and all(np.array_equal(before[n], run.state()[n]) for n in weights)


@pytest.mark.parametrize("steps", [2.5, -1, "3", None])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(
        (TypeError, ValueError), match=rf"steps: got {steps!r}, wanted a whole number of at least 0"
    ):
        trainer().fit(pictures(), steps, 8)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="^there is no file '.*none.npz'$"):
        trainer().load(tmp_path / "none.npz")


def test_labels_that_do_not_match_the_images_are_refused():
    with pytest.raises(ValueError, match="3 labels for 8 images"):
        trainer().step((pictures(8), np.zeros(3, int)))


def test_a_network_without_trained_parameters_is_refused():
    generator = nn.Sequential(nn.Dense(16), nn.Reshape(4, 4, 1), nn.Tanh())
    with pytest.raises(ValueError, match="no trained parameters"):
        Trainer(Game(generator, nn.Sequential(nn.Flatten()), latent=Normal(3)))


@pytest.mark.parametrize("wrong", ["adam", (Adam(),), [Adam(), 3], [], Adam, 1e-3])
def test_optimisers_must_be_one_or_a_pair(wrong):
    with pytest.raises(TypeError, match="a pair of them"):
        trainer(optimizers=wrong)


def test_a_list_of_two_optimisers_is_a_pair():
    run = trainer(optimizers=[SGD(0.1), SGD(0.2)])
    assert [player.lr for player in run.players] == [0.1, 0.2]
