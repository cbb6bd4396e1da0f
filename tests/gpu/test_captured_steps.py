"""Captured steps: the bits of steps that are not, what can't be captured, and what goes wrong."""

from __future__ import annotations

import copy
import gc
import warnings

import games
import numpy as np
import pytest
import standin
from games import RECIPES_AT, bits, pictures

import minigan as mg
from minigan import gan, nn, ops, optim
from minigan.backend import capturing, numbers
from minigan.errors import CaptureWarning, NonFiniteError
from minigan.gan import Cure
from minigan.gan.captured import MOST_UNREAD, WARM_UP
from minigan.gan.doctor import EVERY
from minigan.recipes import RECIPES

pytestmark = pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")


@pytest.fixture(autouse=True)
def nothing_is_captured_in_the_end(cupy):
    yield
    assert standin.Stream.captured is None and not capturing.get()


def trainer(captured=True, cures=(), loss="non_saturating", dtype="float32", **settings):
    """Two perceptrons with batch norm and dropout; rates and Adam's corrections change by step."""
    networks = games.networks(norm=True, drop=0.2, dtype=dtype)
    game = gan.Game(*networks, loss, gan.Normal(games.LATENT), cures=cures)
    settings = {"optimizers": optim.Adam(optim.Cosine(1e-2, 12)), "device": "cuda"} | settings
    return gan.Trainer(game, seed=1, captured=captured, **settings)


def trained(steps, **settings):
    run = trainer(**settings)
    run.fit(pictures(), steps, batch=8)
    return run


def launches(run):
    """How many of the run's steps its graph has taken."""
    graph = run.captured._graph
    if graph is None:
        return 0
    return graph.graph.launches if hasattr(graph.graph, "launches") else 1


# The same bits

SCHEMES = {
    "adam": {},
    "simultaneous": {"update": "simultaneous"},
    "generator first": {"first": "generator", "discriminator_steps": 2},
    "simultaneous, twice": {"update": "simultaneous", "discriminator_steps": 2},
    "rmsprop": {"optimizers": optim.RMSprop(1e-3, momentum=0.5), "loss": "wasserstein"},
    "sgd": {"optimizers": optim.SGD(optim.Linear(0.1, 0.0, 9), momentum=0.9, nesterov=True)},
    "amsgrad": {"optimizers": optim.Adam(1e-3, amsgrad=True, weight_decay=0.1, clip_value=0.01)},
    "two rates": {"optimizers": (optim.Adam(1e-3), optim.SGD(optim.Exponential(0.1, 0.5)))},
    "average": {"average": 0.9},
    "no doctor": {"doctor": False},
    "float64": {"dtype": "float64"},
    "clipped weights": {"cures": (gan.WeightClipping(0.1), gan.LatentConsistency(0.1))},
    "penalty": {"cures": (gan.GradientPenalty(1.0), gan.Unrolled(2, 0.1))},
    "slopes": {"cures": (gan.R1(0.1), gan.R2(0.1), gan.Dragan(0.1))},
    "clipped gradients": {"optimizers": optim.Adam(1e-3, clip_norm=0.05)},
}


@pytest.mark.parametrize("settings", SCHEMES.values(), ids=SCHEMES)
def test_captured_steps_have_the_bits_of_others(settings):
    plain, captured = (trained(8, captured=way, **settings) for way in (False, True))
    assert bits(captured.state()) == bits(plain.state())
    assert captured.captured.reason == "" and launches(captured) >= 1


def test_attention_is_captured():
    runs = []
    for way in (False, True):
        body = [nn.Conv2D(4, 3, 1, "same"), nn.LeakyReLU(0.2), nn.SelfAttention()]
        judge = nn.Sequential(*body, nn.Flatten(), nn.Dense(1))
        game = gan.Game(games.networks()[0], judge, "hinge", gan.Normal(games.LATENT))
        run = gan.Trainer(game, seed=1, captured=way, device="cuda")
        judge[2].gamma.assign(np.ones(1))
        run.fit(pictures(), 6, batch=8)
        runs.append(run)
    assert bits(runs[0].state()) == bits(runs[1].state())
    assert runs[1].captured.reason == "" and launches(runs[1]) >= 1


def test_the_tests_see_a_number_that_a_graph_kept(monkeypatch):
    """So that equal bits say something: each number that a step forgets shows."""
    wanted = bits(trained(8).state())
    graph = gan.captured._Graph
    write = graph.step

    class Kept:
        """The graph's table, in which one number stays."""

        def __init__(self, table, place):
            self.table, self.place, self.first = table, place, table.get()[place]

        def __setitem__(self, everywhere, numbers):
            numbers = numbers.get()
            numbers[self.place] = self.first
            self.table.set(numbers)

    def kept(row, column):
        def step(self, batches):
            table = self.table
            self.table = Kept(table, (row, column)) if launches(run) else table
            try:
                return write(self, batches)
            finally:
                self.table = table

        return step

    for row, column in ((0, 0), (1, 4), (1, 6), (2, 6)):  # the step; ε, and the rates
        monkeypatch.setattr(graph, "step", kept(row, column))
        run = trainer()
        run.fit(pictures(), 8, batch=8)
        assert bits(run.state()) != wanted, (row, column)


def labelled(captured):
    networks = [
        nn.Sequential(nn.LabelConcat(3), nn.Dense(16), nn.Reshape(4, 4, 1), nn.Tanh()),
        nn.Sequential(nn.LabelConcat(3), nn.Flatten(), nn.Dense(8), nn.ReLU(), nn.Dense(1)),
    ]
    game = gan.Game(*networks, latent=gan.Uniform(4), conditioning=gan.Labels(3))
    run = gan.Trainer(game, device="cuda", captured=captured)
    for k in range(7):
        run.step((pictures(6, seed=k), np.random.default_rng(k).integers(0, 3, 6)))
    return run


def test_labels_are_those_of_each_batch():
    plain, captured = labelled(False), labelled(True)
    assert bits(captured.state()) == bits(plain.state()) and launches(captured)


def test_a_report_is_that_of_a_step(cupy):
    reports = {way: [] for way in (False, True)}
    for way, found in reports.items():
        trainer(way).fit(pictures(), 8, batch=8, callbacks=[found.append])
    assert reports[True] == reports[False]


@pytest.mark.parametrize("first, second", [(True, True), (True, False), (False, True)])
def test_a_saved_run_goes_on_with_the_same_bits(tmp_path, first, second):
    trained(6, captured=first).save(tmp_path / "state.npz")
    again = trainer(second)
    again.load(tmp_path / "state.npz")
    again.fit(pictures(), 6, batch=8)
    assert bits(again.state()) == bits(trained(12).state())


def test_a_graph_goes_on_from_a_state_that_is_loaded():
    run = trained(5)
    state = run.state()
    run.fit(pictures(), 4, batch=8)
    wanted, graph = run.state(), run.captured._graph
    run.load_state(state)
    run.fit(pictures(), 4, batch=8)
    assert bits(run.state()) == bits(wanted) and run.captured._graph is graph


def test_a_run_changes_devices():
    rate = optim.SGD(0.1)  # Adam makes much of gradients that are 0 but for their rounding
    run = trained(5, optimizers=rate)
    run.to("cpu").fit(pictures(), 2, batch=8)
    assert run.captured._graph is None
    run.to("cuda").fit(pictures(), 5, batch=8)
    assert launches(run)
    wanted = trained(12, captured=False, optimizers=rate)
    for name, array in wanted.state().items():
        np.testing.assert_allclose(run.state()[name], array, 1e-3, 1e-4, err_msg=name)


def test_batches_of_another_shape_are_no_graphs_until_there_are_several():
    sizes = [8] * 5 + [6] + [8] * 2 + [6] * 4
    runs = [trainer(way, doctor=False) for way in (False, True)]
    for run in runs:
        for k, size in enumerate(sizes):
            run.step(pictures(size, seed=k))
            if run.captured and k == 7:
                assert launches(run) == 5  # all but two to warm up, and the odd one
    assert bits(runs[1].state()) == bits(runs[0].state())
    assert launches(runs[1]) == 2 and runs[1].captured._graph.batches[0].images.shape[0] == 6


def test_odd_batches_do_not_take_memory_each():
    run, places = trained(5, doctor=False), set()
    for size in (6, 8, 5, 8, 6, 7):
        run.step(pictures(size))
        if size != 8:
            places.add(run.captured._place)
    assert len(places) == 1 and launches(run) == 5


def test_weights_elsewhere_in_memory_are_captured_anew():
    runs = []
    for way in (False, True):
        run = trained(5, captured=way, doctor=False, optimizers=optim.SGD(0.1))
        for network in (run.game.generator, run.game.discriminator):
            network.to("float64")
        run.fit(pictures(), 4, batch=8)
        runs.append(run)
    assert bits(runs[1].state()) == bits(runs[0].state()) and launches(runs[1]) == 2


def test_settings_of_the_block_are_captured_anew():
    plain, run = (trained(5, captured=way, doctor=False) for way in (False, True))
    graph = run.captured._graph
    with mg.config(precision="bf16"):
        run.fit(pictures(), 3, batch=8)
        plain.fit(pictures(), 3, batch=8)
    assert run.captured._graph is not graph
    assert bits(run.state()) == bits(plain.state())


def test_a_graph_from_before_a_step_is_stale():
    run = trained(5)
    noise = mg.Tensor(np.ones((2, games.LATENT), "float32"), device="cuda")
    loss = (run.game.discriminator(run.game.generator(noise)) ** 2).sum()
    run.fit(pictures(), 1, batch=8)
    with pytest.raises(mg.errors.StaleTensorError):
        loss.backward()


# What can't be captured


HEAVY = {"upsampling", "dcgan-mnist", "dcgan-color", "infogan", "mapping"}
NOT_CAPTURED = {"semi-supervised": "on the CPU in each step", "projection": "sorting"}


@pytest.mark.parametrize("name", RECIPES)
def test_nearly_every_recipe_is_captured(name, at_length):
    if name in HEAVY and not at_length:
        pytest.skip("takes long: --device standin")
    recipe, (shape, settings) = RECIPES[name], RECIPES_AT[name]
    run = recipe.make_trainer({**recipe.SETTINGS, **settings}, shape, 0, "cuda")
    run.doctor, said = None, []
    run.capture().captured.tell = said.append
    rng, moves = np.random.default_rng(0), run.discriminator_steps
    batch = rng.uniform(0, 1, (2, *shape)).astype("float32"), rng.integers(0, 10, 2)
    for _ in range(WARM_UP + 1):
        run.step(*[batch] * moves)
    if name in NOT_CAPTURED:
        assert len(said) == 1 and NOT_CAPTURED[name] in said[0]
    else:
        assert said == [] and launches(run) == 1


class Own(optim.SGD):
    """An optimiser whose update is its own."""

    def update(self, weight, gradient, *slots):
        weight -= gradient * weight.dtype.type(0.1)


class Looks(Cure):
    """Looks at a number in the middle of a step."""

    def judged(self, turn):
        numbers([turn.fake.logits.mean()._array])
        return turn


class Fails(Cure):
    """Breaks while it is captured, with what a GPU might say."""

    def judged(self, turn):
        if capturing.get():
            raise RuntimeError("cudaErrorStreamCaptureInvalidated\nand more lines")
        return turn


UNCAPTURED = {
    "pool": (gan.HistoryPool(6), "HistoryPool keeps numbers on the CPU"),
    "means": (gan.HistoricalAveraging(), "HistoricalAveraging keeps numbers on the CPU"),
    "lecam": (gan.LeCam(), "LeCam keeps numbers on the CPU"),
    "adaptive": (gan.AdaptiveAugment(images=100), "AdaptiveAugment keeps numbers on the CPU"),
    "augmentation": (gan.DiffAugment(), r"random numbers \(augmentation\) are drawn on the CPU"),
    "flip": (gan.LabelFlip(0.3), r"random numbers \(penalty\) are drawn on the CPU"),
    "fall": (gan.InstanceNoise(0.1, steps=50), "a cure changes with the number of steps"),
    "top": (gan.TopK(0.5, 0.9), "a cure changes with the number of steps"),
    "orthogonal": (gan.Orthogonal(0.1), "NotImplementedError: calling cuBLAS API"),
    "looks": (Looks(), "the CPU has to know numbers of the GPU's"),
    "fails": (Fails(), "RuntimeError: cudaErrorStreamCaptureInvalidated$"),
    "own": (Own(0.1), "Own has no kernel"),
}


@pytest.mark.parametrize("what, why", UNCAPTURED.values(), ids=UNCAPTURED)
def test_what_can_not_be_captured_is_said_once_and_goes_on(what, why):
    settings = {"optimizers": what} if isinstance(what, optim.Optimizer) else {"cures": (what,)}
    with pytest.warns(CaptureWarning, match=f"^steps are not captured, as {why}") as said:
        run = trained(6, **settings)
    assert sum(one.category is CaptureWarning for one in said) == 1
    assert __file__ in {one.filename for one in said if one.category is CaptureWarning}
    assert run.captured._graph is None and run.captured.reason
    assert bits(run.state()) == bits(trained(6, captured=False, **settings).state())


def test_noise_of_ones_own_is_drawn_on_the_cpu():
    class Own(gan.Normal):
        anywhere = False

    run = trainer()
    run.game.latent = Own(games.LATENT)
    with pytest.warns(CaptureWarning, match=r"random numbers \(latent\) are drawn on the CPU"):
        run.fit(pictures(), 5, batch=8)


def test_a_cpu_has_no_graphs():
    with pytest.raises(ValueError, match='captured: a CPU has no CUDA graphs: say device="cuda"'):
        trainer(device="cpu")


def test_someone_else_may_be_told():
    run, said = trainer(cures=[gan.LeCam()]), []
    run.captured.tell = said.append
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaptureWarning)
        run.fit(pictures(), 4, batch=8)
    assert said == ["steps are not captured, as LeCam keeps numbers on the CPU"]


# Numbers that are not finite


class RootOfMean(Cure):
    """Makes the generator's loss NaN for images that are dark on the whole."""

    def generator(self, turn):
        return ops.sqrt(mg.Tensor(turn.batch.images.mean() + 0.5))


BAD = {
    "images": ((), {"average": 0.9}, np.full((8, 4, 4, 1), np.nan, "float32")),
    "second mover": ((RootOfMean(),), {}, np.full((8, 4, 4, 1), -1.0, "float32")),
    "second of two": ((), {"discriminator_steps": 2}, np.full((8, 4, 4, 1), np.nan, "float32")),
    "simultaneous": ((RootOfMean(),), {"update": "simultaneous"}, -np.ones((8, 4, 4, 1), "f4")),
    "clipped": (
        (gan.WeightClipping(0.1),),
        {"first": "generator"},
        np.full((8, 4, 4, 1), np.nan, "float32"),
    ),
}


@pytest.mark.parametrize("later", [0, 3])
@pytest.mark.parametrize("cures, settings, images", BAD.values(), ids=BAD)
def test_a_bad_batch_is_named_and_leaves_all_as_it_was(cures, settings, images, later):
    moves, messages, states = settings.get("discriminator_steps", 1), [], []
    for way in (False, True):
        run = trained(7, captured=way, cures=cures, **settings)
        weight = next(iter(run.players.discriminator.parameters.values()))
        weight.assign(weight.numpy() + 1)  # more than may be if weights are clipped
        before, taken = bits(run.state()), launches(run) if way else 0
        with pytest.raises(NonFiniteError) as error:
            run.step(*[pictures(8)] * (moves - 1), images)
            for k in range(later):  # which the GPU is asked for before anybody knows
                run.step(*[pictures(8, seed=k)] * moves)
            run.state()
        messages.append(str(error.value))
        assert bits(run.state()) == before
        run.fit(pictures(), 3, batch=8)
        states.append(bits(run.state()))
        if way:
            assert launches(run) == taken + 4 + later
    assert messages[1] == messages[0] and "step 8: " in messages[0]
    assert states[1] == states[0]


def test_reports_after_a_bad_step_are_its_error_and_those_before_are_there():
    run, plain = trained(7), trained(7, captured=False)
    good, wanted = run.step(pictures(8)), plain.step(pictures(8))
    bad = run.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    late = run.step(pictures(8))
    assert [r.step for r in (good, bad, late)] == [8, 9, 10] and run.step_count == 10
    for report in (late, bad, late):
        with pytest.raises(NonFiniteError, match="^step 9: .*the batch of real images"):
            _ = report.generator_loss
        assert run.step_count == 8
    assert [report.step for report in run.doctor._reports] == [*range(1, 9)]
    assert good == wanted and hash(good) == hash(wanted) and repr(good) == repr(wanted)
    assert tuple(good) == wanted[:] == good[:] and len(good) == len(wanted)
    assert good._asdict() == wanted._asdict() and type(copy.copy(good)) is gan.Report
    run.fit(pictures(), 20, batch=8)
    plain.fit(pictures(), 20, batch=8)
    assert bits(run.state()) == bits(plain.state())


@pytest.mark.parametrize(
    "look", ["sample", "sampler", "state", "save", "to", "capture", "fit", "odd batch", "doctor"]
)
def test_a_bad_step_is_known_before_the_run_is_looked_at_or_goes_another_way(look, tmp_path):
    run = trained(EVERY - 6 if look == "doctor" else 7)
    before = run.step_count
    looks = {
        "sample": lambda: run.sample(1),
        "sampler": lambda: run.sampler,
        "state": run.state,
        "save": lambda: run.save(tmp_path / "state.npz"),
        "to": lambda: run.to("cpu"),
        "capture": run.capture,
        "fit": lambda: run.fit(pictures(), 1, batch=8),
        "odd batch": lambda: run.step(pictures(4)),
        "doctor": lambda: [run.step(pictures(8)) for _ in range(6)],
    }
    run.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    with pytest.raises(NonFiniteError, match=f"^step {before + 1}: "):
        looks[look]()
    assert run.step_count == before
    assert all(np.isfinite(array).all() for array in run.state().values())


def test_an_older_report_hides_no_bad_step():
    run = trained(7)
    good, bad = run.step(pictures(8)), run.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    late = run.step(pictures(8))
    assert good.generator_loss > 0 and run.step_count == 10  # nothing is known of the others
    with pytest.raises(NonFiniteError, match="^step 9: "):
        for _ in range(MOST_UNREAD):
            run.step(pictures(8))
    assert run.step_count == 8
    for report in (bad, late):
        with pytest.raises(NonFiniteError, match="^step 9: "):
            _ = report.real_score


class SlopeOfDark(Cure):
    """Gives the generator's loss a slope that is not finite for dark images, not the value."""

    def generator(self, turn):
        dark = ops.relu(mg.Tensor(turn.batch.images.mean() + 0.5, device="cuda"))
        return ops.sqrt(dark * turn.fake.logits.mean() ** 2)


@pytest.mark.parametrize("block", [mg.no_grad, lambda: nn.training(False)])
def test_a_bad_step_is_repeated_as_it_was_launched(block):
    run = trained(7, cures=(SlopeOfDark(),))
    before, report = bits(run.state()), run.step(-np.ones((8, 4, 4, 1), "float32"))
    with block(), pytest.raises(NonFiniteError, match="^step 8: the gradient of generator"):
        _ = report.generator_loss
    assert bits(run.state()) == before


def test_two_gpus_are_read_by_turns(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one GPU")
    wanted = trained(8)
    one, two = trainer(), trainer(device="cuda:1")
    two.fit(pictures(), 5, batch=8)
    one.fit(pictures(), 8, batch=8, callbacks=[lambda report: two.step(pictures(8))])
    assert bits(one.state()) == bits(wanted.state())
    reports = [run.step(pictures(8)) for run in (one, two)]
    assert all(np.isfinite(report.generator_loss) for report in reports)
    bad = one.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    two.step(pictures(8))
    with pytest.raises(NonFiniteError, match="^step 10: "):
        _ = bad.generator_loss


def test_an_interrupt_while_a_bad_step_is_looked_into(monkeypatch):
    run, looked = trained(7), []

    def interrupted(*arguments):
        looked.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(gan.trainer, "first_bad", interrupted)
    reports = [run.step(np.full((8, 4, 4, 1), np.nan, "float32")), run.step(pictures(8))]
    with pytest.raises(KeyboardInterrupt):
        run.state()
    for report in reports:
        with pytest.raises(NonFiniteError, match="^step 8: KeyboardInterrupt"):
            _ = report.generator_loss
    assert len(looked) == 1


def test_an_error_that_is_told_again_does_not_grow():
    run, lengths = trained(7), []
    bad = run.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    for _ in range(3):
        with pytest.raises(NonFiniteError) as error:
            _ = bad.generator_loss
        lengths.append(len(error.traceback))
    assert lengths[1] == lengths[2] <= lengths[0]


class Told(nn.Module):
    """A generator that scales its noise by what it is told."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Dense(16), nn.Reshape(4, 4, 1), nn.Tanh())

    def forward(self, noise, told):
        return self.layers(noise * mg.Tensor(told.astype("float32")))


class Deaf(nn.Sequential):
    """A discriminator that is told in vain."""

    def forward(self, images, told):
        return super().forward(images)


def test_a_condition_of_another_dtype_is_no_graphs():
    networks = Told(), Deaf(nn.Flatten(), nn.Dense(1))
    for network, like in zip(networks, ((2, 3), (2, 4, 4, 1)), strict=True):
        network(np.ones(like, "float32"), np.ones((2, 3)))
    runs = []
    for way in (False, True):
        game = gan.Game(*copy.deepcopy(networks), latent=gan.Normal(3), image_range=(-1, 1))
        game.build = lambda seed: None
        run = gan.Trainer(game, seed=1, device="cuda", captured=way, doctor=False)
        for k, dtype in enumerate(["float32"] * 5 + ["float64", "int64", "float16", "float32"]):
            told = np.full((8, 3), 2, dtype)
            run.step(gan.Batch(pictures(8, seed=k), None, told))
        runs.append(run)
    assert bits(runs[1].state()) == bits(runs[0].state()) and launches(runs[1]) == 4


def test_one_can_go_back_from_a_bad_step_that_nobody_read():
    run = trained(5)
    state = run.state()
    run.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    with pytest.raises(ValueError, match="^state: "):
        run.load_state({})
    assert run.step_count == 6  # and nothing is known of the step yet
    run.load_state(state)
    run.fit(pictures(), 4, batch=8)
    assert bits(run.state()) == bits(trained(9).state())


class BadInAGraph(Cure):
    """Makes the generator's loss NaN for images that are dark on the whole, if captured."""

    def generator(self, turn):
        if not capturing.get():
            return mg.Tensor(np.zeros((), "float32"), device="cuda")
        return ops.sqrt(mg.Tensor(turn.batch.images.mean() + 0.5)) * 0


def test_a_repetition_that_goes_well_is_a_step():
    dark, run = -np.ones((8, 4, 4, 1), "float32"), trained(7, cures=(BadInAGraph(),))
    plain = trained(7, captured=False, cures=(BadInAGraph(),))
    report = run.step(dark)
    assert bits(run.state()) != bits(plain.state())
    assert report == plain.step(dark)
    assert bits(run.state()) == bits(plain.state())
    assert [one.step for one in run.doctor._reports] == [*range(1, 9)]
    bad, late = run.step(dark), run.step(pictures(8))
    with pytest.raises(NonFiniteError, match="^step 9: it came upon .* the 1 steps after it were"):
        run.state()
    assert run.findings[-1].name == "not finite" and run.findings[-1].step == 9
    assert bad == plain.step(dark) and bits(run.state()) == bits(plain.state())
    with pytest.raises(NonFiniteError, match="^step 9: it came"):
        _ = late.real_score


def test_a_bad_batch_before_the_capture_too(cupy):
    run = trained(2)  # to warm up
    before = bits(run.state())
    with pytest.raises(NonFiniteError, match="the batch of real images"):
        run.step(np.full((8, 4, 4, 1), np.nan, "float32"))
    assert bits(run.state()) == before


# What it costs


@pytest.fixture
def counted(cupy):
    if cupy is not standin.cupy:
        pytest.skip("of the stand-in alone")
    return standin.counted


def test_a_step_waits_for_nothing_and_copies_little(counted):
    run, images = trained(WARM_UP + 3), pictures(8)
    with counted() as counts:
        report = run.step(images)
    assert (counts.waits, counts.copies) == (0, 2)  # the table, and the images
    with counted() as counts:
        assert report.step == run.step_count
        assert report.generator_loss > 0 and report.real_score != report.fake_score
    assert (counts.waits, counts.copies) == (1, 0)


def test_an_epoch_waits_for_reports_alone(counted):
    run, steps = trained(WARM_UP + 3, doctor=False), 3 * MOST_UNREAD
    with counted() as counts:
        run.fit(pictures(8 * 2 * steps), steps, batch=8)
    assert counts.waits == 3
    assert counts.copies == steps + 2  # the tables, all images, and the order of an epoch


def test_many_launches_leave_nothing_behind(counted, at_length):
    run, images = trained(WARM_UP + 3, doctor=False), pictures(8)

    def alive():
        gc.collect()
        return sum(isinstance(thing, standin.ndarray) for thing in gc.get_objects())

    run.step(images)
    before, nodes = alive(), len(run.captured._graph.graph.nodes)
    for _ in range(10_000 if at_length else 50):
        run.step(images)
    assert alive() == before and len(run.captured._graph.graph.nodes) == nodes


def test_a_graph_goes_with_its_trainer(counted):
    run = trained(WARM_UP + 3)
    held = sum(values.nbytes for values in run.captured._graph.graph.memory)
    graph = run.captured._graph.graph
    del run
    gc.collect()
    assert held and len(gc.get_referrers(graph)) <= 1
