"""The registry: nothing public is missing, draws are varied and large, plants fail the run."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import devices
import numpy as np
import pytest

import minigan as mg
from minigan import gan, nn
from minigan.gan.heads import MODULES, Heads
from minigan.gan.losses import LOSSES
from minigan.kernels import choice, convolution, windows
from minigan.testing import registry
from minigan.testing.registry import ENTRIES, Case, Entry, coverage
from minigan.testing.registry.losses import SIDES
from minigan.testing.subjects import substituted

NAMES = sorted(ENTRIES)
SEEDS = range(50)
ONE_VALUE = {"astype", "to"}  # a check in float64 on the CPU leaves their one setting no choice
ONE_SETTING = {
    "conv2d.direct": {"conv"},
    "conv2d.planes": {"conv"},
    "conv2d.dft": {"conv", "dilation"},
    "conv2d.winograd": {"conv", "dilation"},
}


@pytest.fixture(scope="module")
def drawn():
    """Fifty cases of every entry, not checked."""
    return {name: [ENTRIES[name].draw(seed) for seed in SEEDS] for name in NAMES}


def shapes(case):
    return [x.shape for x in case.inputs]


# What there is


def test_everything_public_has_an_entry():
    assert registry.missing() == []
    assert set(ENTRIES) == set(registry.expected())


def test_what_is_expected_comes_from_the_public_lists(monkeypatch):
    assert {"conv2d", "Conv2D", "hinge.discriminator", "hinge.generator"} <= set(NAMES)
    assert not coverage.PLAIN & set(registry.expected())
    monkeypatch.setattr(mg.ops, "__all__", [*mg.ops.__all__, "new_function"])
    monkeypatch.setitem(nn.LAYERS, "NewLayer", nn.Dense)
    monkeypatch.setitem(LOSSES, "new_loss", LOSSES["hinge"])
    monkeypatch.setitem(MODULES, "NewJudge", Heads)
    monkeypatch.setattr(gan, "NewLoss", type("NewLoss", (gan.Loss,), {}), raising=False)
    monkeypatch.setattr(gan, "__all__", [*gan.__all__, "NewLoss"])
    sides = [f"{loss}.{side}" for loss in ("new_loss", "NewLoss") for side in SIDES]
    assert registry.missing() == sorted(["new_function", "NewLayer", "NewJudge", *sides])


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="'tanh'"):
        registry.register("tanh")(lambda rng: Case(mg.tanh, [], {}))


def test_the_checker_does_not_import_the_registry():
    program = "import sys, minigan.testing; print('minigan.testing.registry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n"


# The checks themselves


@pytest.mark.parametrize("name", devices.entries())
def test_every_entry_passes_to_second_order(name):
    result = registry.check(name, seed=0, order=2)
    assert result.status == "passed", result.message


# What is drawn


def test_draws_are_the_same_in_every_process():
    program = (
        "import numpy as np\n"
        "from minigan.testing.registry import ENTRIES\n"
        "for name in ('conv2d', 'Dense', 'einsum', 'hinge.generator'):\n"
        "    case = ENTRIES[name].draw(7)\n"
        "    print(name, case.settings, sum(float(np.sum(x)) for x in case.inputs))\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith("conv2d {'stride'")


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_a_function_of_its_seed_alone(name):
    first, again, other = (ENTRIES[name].draw(seed) for seed in (3, 3, 4))
    assert first.settings == again.settings
    assert all(np.array_equal(a, b) for a, b in zip(first.inputs, again.inputs, strict=True))
    assert shapes(first) != shapes(other) or not np.array_equal(first.inputs[0], other.inputs[0])


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_finite_float64_and_settings_fit_json(drawn, name):
    for case in drawn[name]:
        assert all(x.dtype == np.float64 and np.isfinite(x).all() for x in case.inputs)
        assert case.inputs
        json.dumps(case.settings, allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_draw_new_shapes_and_settings(drawn, name):
    assert len({repr((shapes(c), c.settings)) for c in drawn[name]}) >= 15
    for key, spread in coverage.spreads(name, [c.settings for c in drawn[name]]).items():
        assert spread.values > 1 or name in ONE_VALUE or key in ONE_SETTING.get(name, ()), key
        assert spread.share is None or spread.share >= 0.2, key


@pytest.mark.parametrize("name", NAMES)
def test_half_of_the_cases_are_large(drawn, name):
    sizes = [sum(x.size for x in case.inputs) for case in drawn[name]]
    assert np.mean([size >= 24 for size in sizes]) >= 0.5
    assert max(sizes) <= 150


def test_half_of_all_cases_have_channels_a_batch_and_settings_too(drawn):
    found = [
        coverage.is_demanding(name, shapes(case), case.settings)
        for name, cases in drawn.items()
        for case in cases
    ]
    assert np.mean(found) >= 0.5


def test_what_counts_as_demanding():
    settings = {"stride": 2}
    assert coverage.is_demanding("conv2d", [(2, 4, 3, 2), (1,)], settings)
    assert not coverage.is_demanding("conv2d", [(2, 4, 3, 2), (1,)], {"stride": 1})
    assert not coverage.is_demanding("conv2d", [(1, 4, 6, 2)], settings)
    assert not coverage.is_demanding("conv2d", [(4, 6, 2, 1)], settings)
    assert not coverage.is_demanding("conv2d", [(2, 2, 2, 2)], settings)
    assert coverage.is_demanding("tanh", [(4, 6)], {})


def test_defaults_are_those_of_the_signature_and_its_ancestors():
    assert coverage.defaults("leaky_relu") == {"slope": 0.3}
    assert coverage.defaults("Conv2DTranspose")["output_size"] is None
    assert coverage.defaults("Conv2DTranspose")["groups"] == 1
    assert coverage.defaults("binary_cross_entropy.generator")["eps"] == 1e-7
    assert coverage.defaults("SeveralDiscriminators.generator")["sharpness"] == 0.0
    assert coverage.defaults("Packed") == {"count": 2}
    assert coverage.defaults("mine:function") == {}


def test_odd_corners_are_drawn(drawn):
    def settings(name, key):
        return {case.settings[key] for case in drawn[name]}

    assert {"same", "valid"} < settings("conv2d", "padding")
    assert {type(p) for p in settings("conv2d", "padding")} == {str, int, tuple}
    assert settings("conv2d", "groups") == {1, 2, 3}
    assert {None} < settings("conv2d_transpose", "output_size")
    assert {type(p) for p in settings("power", "exponent")} == {int, float, str}
    assert settings("BatchNorm", "training") == {True, False}
    assert settings("batch_norm", "statistics") == {None, "given"}
    assert {0.0, 1.0} < settings("batch_norm", "slope")
    assert {0.0, "inf"} < settings("SeveralDiscriminators.generator", "sharpness")
    assert any("logits" not in heads for heads in settings("Heads", "heads"))
    assert settings("pad", "mode") == {"constant", "edge", "reflect"}
    assert any(x.ndim == 0 for case in drawn["multiply"] for x in case.inputs)
    assert any(1 in x.shape for case in drawn["sum"] for x in case.inputs)


def test_einsum_is_drawn_with_all_of_its_notation(drawn):
    subscripts = [case.settings["subscripts"] for case in drawn["einsum"]]
    words = [w for s in subscripts for w in s.replace(".", "").split("->")[0].split(",")]
    assert any("..." in s for s in subscripts)
    assert any("->" not in s for s in subscripts)
    assert any(len(set(word)) < len(word) for word in words)
    assert {s.count(",") for s in subscripts} == {0, 1, 2}


def test_layers_are_checked_in_their_parameters(drawn):
    for case in drawn["BatchNorm"]:
        channels = case.inputs[0].shape[-1:]
        own = [channels, channels] if case.settings["affine"] else []
        assert [x.shape for x in case.inputs[1:]] == own
    for case in drawn["Conv2D"]:
        assert len(case.inputs) == 2 + case.settings["use_bias"]
    assert all(len(case.inputs) > 4 for case in drawn["Sequential"])


# Kernels

of_the_cpu = pytest.mark.cpu_only("kernels are what arrays of NumPy reach")


@of_the_cpu
def test_every_kernel_is_reached_by_an_entry():
    forced = [f"conv2d.{name}" for name in choice.ALGORITHMS]
    names = ("conv2d", "avg_pool2d", "batch_norm", "leaky_relu", *forced)
    biased = next(c for c in map(ENTRIES["Conv2D"].draw, range(9)) if c.settings["use_bias"])
    stacks = next(c for c in map(ENTRIES["matmul"].draw, range(99)) if c.inputs[1].ndim > 2)
    dense = next(c for c in map(ENTRIES["matmul"].draw, range(99)) if c.inputs[1].ndim == 2)
    fixed = next(c for c in map(ENTRIES["BatchNorm"].draw, range(9)) if not c.settings["training"])
    cases = [biased, stacks, dense, fixed, *(ENTRIES[n].draw(0) for n in names)]
    found = set().union(*map(coverage.reached, cases))
    assert found == set(registry.kernels())
    assert {"convolution.convolve", "windows.scatter", "windows.Window.reach"} <= found
    assert coverage.reached(ENTRIES["tanh"].draw(0)) == set()


@of_the_cpu
@pytest.mark.parametrize("name", choice.ALGORITHMS)
def test_every_algorithm_is_forced_in_all_its_maps(drawn, name):
    module = choice.ALGORITHMS[name].__name__.rpartition(".")[2]
    maps = {f"{module}.{which}" for which in (choice.FORWARD, choice.INPUT, choice.WEIGHT)}
    others = {
        kernel for kernel in registry.kernels() if kernel.endswith((".convolve", "_gradient"))
    } - {f"{owner}.{which.partition('.')[2]}" for which in maps for owner in (module, "choice")}
    for case in drawn[f"conv2d.{name}"][:5]:
        found = coverage.reached(case)
        assert maps <= found
        assert {kernel.partition(".")[0] for kernel in others & found} <= {"bilinear"}
    assert {case.settings["transposed"] for case in drawn[f"conv2d.{name}"]} == {True, False}


def test_an_algorithm_without_an_entry_is_missing(monkeypatch):
    monkeypatch.setitem(choice.ALGORITHMS, "new", convolution)
    assert registry.missing() == ["conv2d.new"]


def test_fast_algorithms_are_drawn_with_several_tiles(drawn):
    for name in choice.FAST:
        settings = [(case, case.settings) for case in drawn[f"conv2d.{name}"]]
        sizes = {max(case.inputs[0].shape[1:3]) for case, s in settings if not s["transposed"]}
        assert max(sizes) > 5


def test_looking_for_kernels_puts_a_profiler_back():
    def own(frame, event, argument):
        return None

    sys.setprofile(own)
    try:
        coverage.reached(ENTRIES["conv2d"].draw(0))
        assert sys.getprofile() is own
    finally:
        sys.setprofile(None)


@of_the_cpu
def test_convolutions_are_done_in_several_chunks(drawn, monkeypatch):
    counts, steps = [], convolution._steps

    def counted(n, *told):
        share, step = steps(n, *told)
        counts.append(
            len([i for start in range(0, n, share) for i in range(start, n)[:share:step]])
        )
        return share, step

    monkeypatch.setattr(convolution, "_steps", counted)
    for case in drawn["conv2d"]:
        with coverage.forced(case.settings):
            case.function(*case.inputs)
    assert {1, 2, 3} <= set(counts)


def test_what_is_forced_is_put_back():
    def state():
        limits = [getattr(kernel, name) for kernel, name in coverage.LIMITS]
        return *limits, choice.forced.get()

    before = state()
    with pytest.raises(KeyError), coverage.forced({"columns_at_a_time": 5, "conv": "dft"}):
        assert state() == (5, 5, 5, "dft")
        raise KeyError
    with coverage.forced({}):
        assert before == state()
    assert before == state()


# Modules as functions


def test_a_substituted_parameter_is_the_tensor_and_then_itself_again():
    layer = nn.Dense(2, dtype="float64").build((None, 3), seed=0)
    before = layer.weight.numpy()
    w = mg.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    x = mg.Tensor(np.ones((1, 3)))
    with substituted([layer.weight], [w * 2]):
        y = layer(x)
    np.testing.assert_array_equal(y.numpy(), [[12, 18]])
    (g,) = mg.grad(y.sum(), [w])
    np.testing.assert_array_equal(g.numpy(), np.full((3, 2), 2.0))
    np.testing.assert_array_equal(layer.weight.numpy(), before)
    assert layer.weight.is_leaf


def test_parameters_come_back_after_an_error():
    layer = nn.Dense(2).build((None, 3), seed=0)
    node = layer.weight._node
    with (
        pytest.raises(KeyError),
        substituted([layer.weight], [mg.Tensor(np.ones((3, 2)))]),
    ):
        raise KeyError
    assert layer.weight._node is node


def test_dropout_draws_the_same_in_every_call():
    function = registry.functional(nn.Dropout(0.5), seed=3)
    x = mg.Tensor(np.ones((4, 5)))
    np.testing.assert_array_equal(function(x).numpy(), function(x).numpy())
    assert 0 < np.count_nonzero(function(x).numpy()) < 20
    evaluated = registry.functional(nn.Dropout(0.5), mode=False)
    np.testing.assert_array_equal(evaluated(x).numpy(), np.ones((4, 5)))


# A run, and what fails it


@of_the_cpu
def test_a_run_over_all_that_passes(small):
    seen = []
    report = registry.run(
        seeds=range(2), order=2, progress=lambda results, total: seen.append(total) or results
    )
    assert report.passed and report.complete and seen == [4]
    assert [(r.name, r.seed) for r in report.results] == [
        ("conv2d", 0), ("conv2d", 1), ("tanh", 0), ("tanh", 1)
    ]  # fmt: skip
    assert report.counts() == {"passed": 4}
    assert report.unreached == report.missing == []
    assert report.kernels["convolution.convolve"] == ["conv2d"]
    row = report.rows()[0]
    sizes = [sum(x.size for x in ENTRIES["conv2d"].draw(seed).inputs) for seed in range(2)]
    assert (row.name, row.cases, row.elements) == ("conv2d", 2, (min(sizes), max(sizes)))
    assert json.loads(json.dumps(report.as_json()))["passed"] is True


PLANTS = {
    "vacuous": lambda x: mg.batch_norm(x, np.ones(2), np.ones(2), 1e-12).sum(),
    "failed": mg.primitive(lambda x: x**3, lambda g, x: 2 * x**2 * g, name="wrong"),
    "inconclusive": lambda x: mg.absolute(x - 0.5),
    "error": lambda x: x.nothing,
}


@pytest.mark.parametrize("status", PLANTS)
def test_a_plant_fails_the_run(small, status):
    small(PLANTS[status])
    report = registry.run()
    assert not report.passed
    (failure,) = report.failures
    assert (failure.name, failure.seed, failure.status) == ("planted", 0, status)
    assert failure.message
    assert {row.name: row.status for row in report.rows()}["planted"] == status


def test_a_function_that_cannot_be_checked_is_an_error_by_name(small):
    small(lambda x: "text")
    (failure,) = registry.run().failures
    assert failure.status == "error"
    assert failure.message.startswith("WrongTypeError: ")


def test_an_entrys_row_shows_its_worst_status(small, monkeypatch):
    monkeypatch.setitem(ENTRIES, "tanh", Entry("tanh", _sometimes_wrong))
    report = registry.run(["tanh"], seeds=range(8))
    assert set(report.counts()) == {"passed", "failed"}
    (row,) = report.rows()
    assert (row.status, row.cases) == ("failed", 8)


def _sometimes_wrong(rng):
    function = PLANTS["failed"] if rng.random() < 0.5 else mg.tanh
    return Case(function, [np.array([0.3, 1.2])], {})


def test_a_missing_entry_fails_the_run(small, monkeypatch):
    monkeypatch.setattr(coverage, "expected", lambda: ["conv2d", "sinh", "tanh"])
    report = registry.run()
    assert not report.failures and report.missing == ["sinh"] and not report.passed


@of_the_cpu
def test_an_unreached_kernel_fails_the_run(small, monkeypatch):
    namespace = {"__name__": windows.__name__}
    exec("def unused(x):\n    return x", namespace)
    monkeypatch.setattr(windows, "unused", namespace["unused"], raising=False)
    report = registry.run()
    assert not report.failures and report.unreached == ["windows.unused"] and not report.passed


def test_only_the_names_asked_for_are_run(small, monkeypatch):
    monkeypatch.setattr(coverage, "expected", lambda: ["sinh"])
    report = registry.run(["tanh", "tanh"], seeds=[4])
    assert report.passed and not report.complete
    assert [(r.name, r.seed) for r in report.results] == [("tanh", 4)]


def test_a_run_of_nothing_is_refused():
    with pytest.raises(ValueError, match="seeds"):
        registry.run(["tanh"], seeds=[])
    assert not registry.run([]).passed


def test_several_processes_find_the_same():
    def found(jobs):
        results = registry.run(["tanh", "matmul"], range(2), jobs=jobs).results
        return [result._replace(seconds=0.0) for result in results]

    assert found(1) == found(2)


# Users' objects


class Net(nn.Module):
    """Parameters in a list, in a shared layer, and dropout."""

    def __init__(self, width=2):
        self.layers = [nn.Dense(3), nn.Tanh(), nn.LayerNorm(eps=0.1), nn.Dropout(0.3)]
        self.head = nn.Dense(width)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class NeedsWidth(Net):
    def __init__(self, width):
        super().__init__(width)


def _raises(rng):
    raise KeyError("no case")


@pytest.fixture
def mine(monkeypatch):
    """A module ``mine`` to be named on the command line."""
    module = types.ModuleType("mine")
    module.case = Case(mg.sin, [np.array([0.3, 1.2])], {"why": "because"})
    module.cases = lambda rng: Case(mg.exp, [rng.normal(size=(2, 3))], {})
    module.no_case = lambda rng: 3
    module.raises = _raises
    module.product = lambda x, w: mg.tanh(x @ w)
    module.Net, module.NeedsWidth = Net, NeedsWidth
    module.net = Net(3)
    module.built = nn.Dense(2).build((None, 3))
    module.ids = nn.Embedding(3, 2)
    module.number = 3
    monkeypatch.setitem(sys.modules, "mine", module)
    return module


@pytest.mark.parametrize(
    ("name", "inputs", "count"),
    [
        ("case", [], 1),
        ("cases", [], 1),
        ("product", [(2, 3), (3, 4)], 2),
        ("Net", [(4, 5)], 7),
        ("net", [(4, 5)], 7),
        ("built", [], 3),
    ],
)
def test_users_objects_of_all_sorts(mine, name, inputs, count):
    for seed in (0, 1):
        result = registry.check(f"mine:{name}", seed=seed, order=2, shapes=inputs)
        assert result.status == "passed", result.message
        assert len(result.shapes) == count
    assert result.shapes[: len(inputs)] == inputs


def test_a_users_module_stays_as_it_is(mine):
    registry.check("mine:net", shapes=[(4, 5)])
    assert not mine.net.built
    before = mine.built.weight.numpy()
    registry.check("mine:built")
    np.testing.assert_array_equal(mine.built.weight.numpy(), before)
    assert before.dtype == np.float32 and mine.built.dtype == "float32"


def test_a_users_module_is_drawn_anew(mine):
    entry = registry.user_entry("mine:net", [(4, 5)])
    first, other = entry.draw(0), entry.draw(1)
    for a, b in zip(first.inputs, other.inputs, strict=True):
        assert not np.array_equal(a, b)


@pytest.mark.parametrize(
    ("spec", "inputs", "error", "words"),
    [
        ("mine:prodct", [], ValueError, "mine has no 'prodct' .did you mean 'product'"),
        ("mine:net.foward", [], ValueError, "'foward' .did you mean 'forward'"),
        ("mine:", [], ValueError, "package.module:object"),
        ("minegan:tanh", [], ValueError, "no module 'minegan' .did you mean 'minigan'"),
        ("minigan.opps:tanh", [], ValueError, "no module 'minigan.opps' .did you mean 'ops'"),
        ("mine:number", [], TypeError, "mine:number is int, wanted a Case"),
        ("mine:NeedsWidth", [(2, 3)], TypeError, "without arguments .*width.*instance"),
        ("mine:ids", [(2, 3)], TypeError, "int64"),
        ("mine:product", [], ValueError, r"mine:product\(x, w\) needs its inputs' shapes: --input"),
        ("mine:product", [(2, 3)], ValueError, r"doesn't take 1 input"),
        ("mine:net", [(2, 3), (2, 3)], ValueError, r"doesn't take 2 input"),
        ("tahn", [], ValueError, "unknown entry 'tahn' .did you mean 'tanh'"),
    ],
)
def test_what_is_wrong_with_a_users_object_is_told_first(mine, spec, inputs, error, words):
    with pytest.raises(error, match=words):
        registry.run([spec], shapes=inputs)


def test_a_function_that_makes_no_case(mine):
    result = registry.check("mine:no_case")
    assert result.status == "error" and "returned int, wanted a Case" in result.message
    result = registry.check("mine:raises")
    assert result.status == "error" and "KeyError: 'no case'" in result.message


def test_a_module_that_fails_on_import(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raising_module.py").write_text("1 / 0")
    (tmp_path / "needing_module.py").write_text("import not_there_at_all")
    with pytest.raises(ValueError, match="raising_module can't be imported: ZeroDivisionError"):
        registry.user_entry("raising_module:f")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        registry.user_entry("needing_module:f")
    (tmp_path / "ending_module.py").write_text("import sys; sys.exit()")
    with pytest.raises(ValueError, match="ending_module can't be imported, as it ends the program"):
        registry.user_entry("ending_module:f")


def test_code_that_ends_the_program_is_an_error_of_its_own(mine):
    mine.ends = lambda x: sys.exit()
    assert registry.check("mine:ends", shapes=[(2,)]).status == "error"


def test_a_process_that_is_ended_is_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "killing_module.py").write_text("import os\ndef f(x):\n    os._exit(0)\n")
    with pytest.raises(ChildProcessError, match="was ended, by the code"):
        registry.run(["killing_module:f"], shapes=[(2,)], jobs=2, seeds=[0, 1])
