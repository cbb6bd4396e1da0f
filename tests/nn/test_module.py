"""Module: names, state, building, modes, dtypes and devices."""

import copy
import re
import threading

import numpy as np
import pytest
from properties import plain

import minigan as mg
from minigan import nn, random
from minigan.errors import DeviceError, StaleTensorError
from minigan.nn import Parameter
from minigan.testing.values import values


class Nested(nn.Module):
    """Parameters and modules in every place where they are looked for."""

    def __init__(self):
        self.scale = Parameter([2.0])
        self.blocks = [nn.Dense(2), (nn.Dense(3), {"last": nn.Dense(1)})]
        self.heads = {"a": Parameter([1.0], trainable=False), "b": nn.Sequential(nn.Dense(1))}
        self.notes = ["not a module", 3]

    def forward(self, x):
        x = self.blocks[1][0](self.blocks[0](x))
        return self.blocks[1][1]["last"](x) + self.heads["b"](x)


class Conditional(nn.Module):
    """Two inputs, one of them of integers."""

    def __init__(self):
        self.embedding = nn.Embedding(4, 3)
        self.dense = nn.Dense(2)

    def forward(self, noise, ids):
        return self.dense(noise + self.embedding(ids))


def mlp():
    return nn.Sequential(nn.Dense(4), nn.BatchNorm(), nn.Sequential(nn.Tanh(), nn.Dense(2)))


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# Names


def test_names_are_dotted_through_lists_tuples_and_dicts():
    module = Nested().build((None, 5))
    dense = [f"{path}.{name}" for path in ("blocks.0", "blocks.1.0", "blocks.1.1.last")
             for name in ("weight", "bias")]  # fmt: skip
    heads = ["heads.b.0.weight", "heads.b.0.bias"]
    assert list(module.named_state()) == ["scale", "heads.a", *dense, *heads]
    assert list(module.named_parameters()) == ["scale", *dense, *heads]
    assert [id(p) for p in module.parameters()] == [
        id(p) for p in module.named_parameters().values()
    ]


def test_modules_are_listed_parents_first_each_once():
    shared = nn.Tanh()
    module = nn.Sequential(shared, nn.Sequential(shared, nn.ReLU()))
    assert [name for name, _ in module.named_modules()] == ["", "0", "1", "1.1"]
    assert [name for name, _ in module.named_modules("net")] == ["net", "net.0", "net.1", "net.1.1"]


def test_a_shared_parameter_appears_once_under_its_first_name():
    first, second = nn.Dense(3).build((None, 3)), nn.Dense(3).build((None, 3))
    second.weight = first.weight
    model = nn.Sequential(first, second)
    assert list(model.named_state()) == ["0.weight", "0.bias", "1.bias"]


def test_a_shared_module_gets_the_sum_of_its_uses_gradients():
    layer = nn.Dense(2, use_bias=False, dtype="float64")
    model = nn.Sequential(layer, layer).build((None, 2), seed=0)
    x, g = values(0, (3, 2)), values(1, (3, 2))
    (found,) = mg.grad(model(x), model.parameters(), g)
    w = layer.weight.numpy()
    np.testing.assert_allclose(found.numpy(), x.T @ g @ w.T + (x @ w).T @ g, rtol=1e-12)


def test_a_module_that_holds_its_parent_is_walked_once():
    child = nn.Tanh()
    parent = nn.Sequential(child)
    child.parent = parent
    assert len(list(parent.named_modules())) == 2


# State


def test_state_dict_is_a_copy():
    model = mlp().build((None, 3), seed=0)
    before = model.state_dict()
    state = model.state_dict()
    for array in state.values():
        array += 1
    assert same(model.state_dict(), before)


def test_state_goes_round_in_place():
    source, target = mlp().build((None, 3), seed=0), mlp().build((None, 3), seed=1)
    parameter, array = target[0].weight, target[0].weight.data
    target.load_state_dict(source.state_dict())
    assert same(target.state_dict(), source.state_dict())
    assert target[0].weight is parameter
    assert np.array_equal(plain(array), source[0].weight.numpy())  # the array that was there before


def test_state_may_be_of_tensors_of_another_dtype():
    source, target = mlp().build((None, 3), seed=0), mlp().build((None, 3), seed=1).to("float64")
    target.load_state_dict(source.named_state())
    assert same(target.state_dict(), source.state_dict())
    assert target[0].weight.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("2.1.bias"), "missing '2.1.bias'"),
        (lambda s: s.update(extra=np.ones(2)), "unexpected 'extra'"),
        (lambda s: s.update({"0.wieght": s.pop("0.weight")}), "did you mean '0.wieght'?"),
        (lambda s: s.update({"2.1.bias": np.ones(3)}), r"'2.1.bias' has shape (3,), wanted (2,)"),
        (lambda s: s.update({"2.1.bias": np.array(["a", "b"])}), "'2.1.bias' has dtype <U1"),
        (lambda s: s.update({"2.1.bias": np.ones(2, complex)}), "'2.1.bias' has dtype complex128"),
    ],
)
def test_state_that_does_not_fit_is_refused_and_nothing_is_written(change, message):
    model = mlp().build((None, 3), seed=0)
    before, state = model.state_dict(), model.state_dict()
    for array in state.values():
        array += 1
    change(state)
    with pytest.raises(ValueError, match="state does not fit") as error:
        model.load_state_dict(state)
    assert message in str(error.value)
    assert same(model.state_dict(), before)


def test_every_problem_of_a_state_is_named():
    model = nn.Dense(2).build((None, 3))
    with pytest.raises(ValueError, match=r"(?s)missing 'bias'.*missing 'weight'.*unexpected 'zzz'"):
        model.load_state_dict({"zzz": 1})


def test_loading_makes_an_older_graph_stale():
    model = nn.Dense(2).build((None, 3))
    y = model(mg.Tensor(np.ones((1, 3), "f4"), requires_grad=True)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(StaleTensorError):
        y.backward()


def test_a_deep_copy_is_independent():
    model = mlp().build((None, 3), seed=0)
    twin, before = copy.deepcopy(model), model.state_dict()
    assert same(twin.state_dict(), before)
    for parameter in twin.named_state().values():
        parameter.assign(parameter.numpy() + 1)
    twin.eval()
    assert same(model.state_dict(), before)
    assert model.training
    assert model[0].training
    assert repr(twin) == repr(model)


def test_a_deep_copy_keeps_what_is_shared():
    layer = nn.Dense(2)
    twin = copy.deepcopy(nn.Sequential(layer, layer).build((None, 2)))
    assert twin[0] is twin[1]
    assert len(twin.parameters()) == 2


# Building


def test_the_first_call_and_build_make_the_same_shapes():
    called, built = mlp(), mlp().build((None, 3))
    called(np.zeros((5, 3), "f4"))
    shapes = lambda m: {k: v.shape for k, v in m.named_state().items()}  # noqa: E731
    assert shapes(called) == shapes(built)
    assert called._shapes == built._shapes == ((None, 3),)


def test_without_a_seed_no_two_draws_agree():
    a, b = nn.Dense(4).build((None, 3)), nn.Dense(4).build((None, 3))
    assert not np.array_equal(a.weight.numpy(), b.weight.numpy())


def test_a_parameter_is_the_stream_of_its_seed_prefix_and_name():
    model = nn.Sequential(nn.Tanh(), nn.Dense(4, init=nn.Normal(1.0), dtype="float64"))
    model.build((None, 3), seed=5, prefix="generator")
    expected = random.Stream(5, "init/generator.1.weight").normal((3, 4), dtype="float64")
    assert np.array_equal(model[1].weight.numpy(), expected)


def test_seed_and_prefix_change_the_draw_and_the_batch_size_does_not():
    def weight(batch=None, **settings):
        return nn.Dense(4).build((batch, 3), **settings).weight.numpy()

    assert np.array_equal(weight(seed=1), weight(batch=7, seed=1))
    assert not np.array_equal(weight(seed=1), weight(seed=2))
    assert not np.array_equal(weight(seed=1), weight(seed=1, prefix="p"))


def test_two_layers_of_one_shape_differ():
    model = nn.Sequential(nn.Dense(3), nn.Dense(3)).build((None, 3), seed=0)
    assert not np.array_equal(model[0].weight.numpy(), model[1].weight.numpy())


class Pair(nn.Module):
    """Two layers, called in either order, with a third beside them or without."""

    def __init__(self, backwards=False, extra=False):
        if extra:
            self.extra = nn.Dense(3)
        self.a, self.b = nn.Dense(3), nn.Dense(3)
        self.backwards = backwards

    def forward(self, x):
        x = self.b(self.a(x)) if not self.backwards else self.a(self.b(x))
        return self.extra(x) if hasattr(self, "extra") else x


@pytest.mark.parametrize("settings", [{"backwards": True}, {"extra": True}])
def test_neither_the_order_of_calls_nor_other_layers_change_a_draw(settings):
    plain, other = (Pair(**s).build((None, 3), seed=0).state_dict() for s in ({}, settings))
    assert all(np.array_equal(plain[name], other[name]) for name in plain)


def test_layers_made_while_building_draw_by_their_own_names():
    class Lazy(nn.Module):
        def create(self, shape):
            self.a, self.b = nn.Dense(shape[-1]), nn.Sequential(nn.Dense(shape[-1]))

        def forward(self, x):
            return self.a(x) + self.b(x)

    model = nn.Sequential(Lazy()).build((None, 3), seed=0)
    assert not np.array_equal(model[0].a.weight.numpy(), model[0].b[0].weight.numpy())
    plain = Pair().build((None, 3), seed=0, prefix="0")
    assert np.array_equal(model[0].a.weight.numpy(), plain.a.weight.numpy())


def test_a_built_module_keeps_its_parameters_when_built_again():
    model = nn.Dense(2).build((None, 3), seed=0)
    before = model.state_dict()
    model.build((None, 3))
    assert same(model.state_dict(), before)
    with pytest.raises(RuntimeError, match="has its parameters already"):
        model.build((None, 3), seed=1)


def test_a_build_that_fails_leaves_nothing_half_made():
    model = nn.Sequential(nn.Dense(3), nn.Conv2D(2, 3))
    with pytest.raises(ValueError, match="Conv2D '1'"):
        model.build((None, 4))
    assert not model.built
    model.build((None, 6, 6, 2), seed=0)
    assert model[0].weight.shape == (2, 3)


@pytest.mark.parametrize(
    "module, shape, named",
    [
        (lambda: nn.Conv2D(3, 3), (2, 3), (2, 3)),
        (lambda: nn.Conv1D(3, 3), (2, 3), (2, 3)),
        (lambda: nn.Dense(3), (5,), (5,)),
        (lambda: nn.Sequential(nn.Dense(4), nn.Conv2D(3, 3)), (5, 2), (5, 4)),
        (lambda: nn.SpectralNorm(nn.Conv2D(3, 3)), (5, 4), (5, 4)),
        (lambda: nn.Sequential(nn.Conv2D(3, 3), nn.Conv2DTranspose(1, 3)), (7,), (7,)),
    ],
)
def test_an_input_that_does_not_fit_is_named_by_the_shape_that_was_passed(module, shape, named):
    layer = module()
    with pytest.raises(ValueError, match=f"shape {re.escape(str(named))}") as raised:
        layer(np.ones(shape, "f4"))
    assert raised.value.__context__ is None  # one traceback, of one attempt
    assert not any(inner._created for _, inner in layer.named_modules())


@pytest.mark.parametrize("shapes", [(), (None, 100), (100,), ((None, 3), 4)])
def test_build_wants_a_shape_for_each_input(shapes):
    with pytest.raises(TypeError, match=r"such as build\(\(None, 100\)\)"):
        nn.Dense(2).build(*shapes)


@pytest.mark.parametrize(
    "use", [lambda m: m.parameters(), lambda m: m.state_dict(), lambda m: m.to("float64")]
)
def test_what_needs_parameters_names_build(use):
    with pytest.raises(RuntimeError, match=r"Sequential has no .*call build\(input_shape\)"):
        use(mlp())


def test_built_means_that_all_parameters_exist():
    model = mlp()
    assert nn.ReLU().built
    assert not model.built
    assert model.build((None, 3)).built
    model.late = nn.Dense(2)
    assert not model.built


def test_a_layer_used_in_training_only_is_not_taken_for_built():
    class Auxiliary(nn.Module):
        def __init__(self):
            self.main, self.extra = nn.Dense(2), nn.Dense(3)

        def forward(self, x):
            return self.extra(x) if self.in_training else self.main(x)

    model = Auxiliary().build((None, 4))
    assert not model.built
    assert model(np.zeros((1, 4), "f4")).shape == (1, 3)
    assert model.built


def test_add_parameter_works_only_while_creating():
    with pytest.raises(RuntimeError, match="only inside create"):
        nn.Module().add_parameter("weight", (2,))


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Empty does not define forward\(\)"):
        Empty()(1)


def test_several_inputs_of_their_own_shapes_and_dtypes():
    called, built = Conditional(), Conditional()
    noise, ids = np.ones((2, 3), "f4"), np.array([3, 0])
    assert called(noise, ids).shape == (2, 2)
    assert called._shapes == ((None, 3), (None,))
    built._dtypes = (None, "int64")
    built.build((None, 3), (None,), seed=0)
    assert built(noise, ids).shape == (2, 2)


def test_a_module_may_define_create_for_several_inputs():
    class Bilinear(nn.Module):
        def create(self, left, right):
            self.add_parameter("weight", (left[-1], right[-1]), "ones", dtype="float64")

        def forward(self, left, right):
            return (mg.as_tensor(left) @ self.weight * right).sum(axis=-1)

    x, y = values(0, (4, 2)), values(1, (4, 3))
    expected = x.sum(axis=1) * y.sum(axis=1)
    np.testing.assert_allclose(Bilinear()(x, y).numpy(), expected, rtol=1e-12)


def test_building_records_nothing_on_the_tape_and_runs_in_evaluation_mode():
    seen = []

    class Probe(nn.Module):
        def forward(self, x):
            y = mg.Tensor(x, requires_grad=True) * 2
            seen.append((self.in_training, y.requires_grad))
            return x

    Probe().build((None, 2))
    assert seen == [(False, False)]


# Errors of inputs


def test_another_dtype_names_the_layer_and_both_ways_out():
    model = nn.Sequential(nn.Dense(2)).build((None, 3))
    with pytest.raises(TypeError) as error:
        model(np.zeros((1, 3)))
    for part in ("Dense '0'", "float64 input", ".astype('float32')", ".to('float64')"):
        assert part in str(error.value)


def test_another_number_of_channels_names_the_layer_and_both():
    model = nn.Sequential(nn.Tanh(), nn.Dense(2)).build((None, 3))
    with pytest.raises(ValueError, match=r"Dense '1'.* 5 channels, but it was built for 3"):
        model(np.zeros((1, 5), "f4"))


# Modes


def test_train_and_eval_reach_every_module():
    model = mlp()
    assert model.training
    assert model.eval() is model
    assert not any(m.training for _, m in model.named_modules())
    assert model.train() is model
    assert all(m.training for _, m in model.named_modules())


@pytest.mark.parametrize("mode", [True, False])
def test_a_training_block_overrides_the_modules_own_mode_and_touches_none(mode):
    module = nn.Tanh().train(not mode)
    with nn.training(mode):
        assert module.in_training is mode
        with nn.training(not mode):
            assert module.in_training is not mode
        assert module.in_training is mode
        assert module.training is not mode
    assert module.in_training is not mode


def test_a_training_block_ends_with_an_exception():
    module = nn.Tanh()
    with pytest.raises(KeyError), nn.training(False):
        raise KeyError
    assert module.in_training


def test_a_training_block_is_of_its_own_thread():
    module, seen = nn.Tanh(), []
    with nn.training(False):
        thread = threading.Thread(target=lambda: seen.append(module.in_training))
        thread.start()
        thread.join()
    assert seen == [True]


def test_two_threads_run_one_model_in_evaluation():
    model = mlp().build((None, 3), seed=0).eval()
    inputs = [values(seed, (8, 3)).astype("f4") for seed in range(2)]
    expected = [model(x).numpy() for x in inputs]
    wrong, barrier = [], threading.Barrier(2)

    def work(i):
        barrier.wait()
        for _ in range(50):
            if not np.array_equal(model(inputs[i]).numpy(), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Devices and dtypes


@pytest.mark.parametrize("dtype", ["float16", "float64", np.float64, np.dtype("f4")])
def test_to_a_dtype_converts_every_parameter_and_keeps_the_objects(dtype):
    model = mlp().build((None, 3), seed=0)
    before, values_before = model.named_state(), model.state_dict()
    assert model.to(dtype) is model
    for name, parameter in model.named_state().items():
        assert parameter is before[name]
        assert parameter.dtype == dtype
        assert np.array_equal(parameter.numpy(), values_before[name].astype(dtype))
    x = np.zeros((2, 3), dtype)
    assert model(x).dtype == dtype


def test_to_makes_an_older_graph_stale():
    model = nn.Dense(2).build((None, 3))
    y = model(mg.Tensor(np.ones((1, 3), "f4"), requires_grad=True)).sum()
    model.to("float64")
    with pytest.raises(StaleTensorError):
        y.backward()


def test_to_the_cpu_changes_nothing():
    model = mlp().build((None, 3), seed=0)
    before = model.state_dict()
    assert same(model.to("cpu").state_dict(), before)
    assert model[0].weight.device == "cpu"


@pytest.mark.parametrize("target", ["gpu", "int32", int, "complex64", "cpux"])
def test_other_targets_are_refused(target):
    model = nn.Dense(2).build((None, 3))
    with pytest.raises(ValueError, match='to: got .*wanted "float16", .* or a device'):
        model.to(target)


def test_to_cuda_without_cupy_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(DeviceError, match=r'pip install "\.\[gpu\]"'):
        nn.Dense(2).build((None, 3)).to("cuda")


# Watching


def test_watch_sees_every_modules_result_inner_first():
    model = mlp().build((None, 3), seed=0)
    seen = []
    with nn.watch(lambda module, result: seen.append((module, result))):
        y = model(np.zeros((2, 3), "f4"))
    modules = [module for module, _ in seen]
    assert modules == [model[0], model[1], model[2][0], model[2][1], model[2], model]
    assert seen[-1][1] is y
    model(np.zeros((2, 3), "f4"))
    assert len(seen) == 6


def test_a_watcher_is_of_its_own_thread():
    module, seen = nn.Tanh(), []
    with nn.watch(lambda *pair: seen.append(pair)):
        thread = threading.Thread(target=lambda: module(np.zeros(2)))
        thread.start()
        thread.join()
    assert not seen


def test_repr_nests_and_shows_what_was_given():
    model = nn.Sequential(nn.Dense(3, init=nn.Normal(0.5)), nn.BatchNorm(decay=0.9))
    expected = "Sequential(Dense(3, init=Normal(std=0.5, mean=0.0)), BatchNorm(decay=0.9))"
    assert repr(model) == expected


# Samples on their own


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lambda: nn.Sequential(nn.Flatten(), nn.Dense(3), nn.ReLU(), nn.LayerNorm()), True),
        (lambda: nn.Sequential(nn.Conv2D(2, 3), nn.MaxPooling2D(), nn.InstanceNorm()), True),
        (lambda: nn.Sequential(nn.Dense(3), nn.BatchNorm()), False),
        (lambda: nn.Sequential(nn.Dense(3), nn.Dropout(0.5)), False),
        (lambda: type("Own", (nn.Sequential,), {})(nn.Dense(3)), True),
        (lambda: type("Own", (nn.Sequential,), {"forward": lambda self, x: x})(), False),
        (lambda: type("Own", (nn.Module,), {"forward": lambda self, x: x})(), False),
        (
            lambda: type("Own", (nn.Module,), {"forward": lambda self, x: x, "per_sample": True})(),
            True,
        ),
    ],
)
def test_whether_samples_are_on_their_own_is_said_by_who_defines_forward(network, expected):
    assert network().is_per_sample is expected


@pytest.mark.parametrize(
    "layer",
    [
        nn.AveragePooling2D(2),
        nn.Conv2D(3, 2, padding="same"),
        nn.Conv2DTranspose(3, 2, 2),
        nn.Dense(3),
        nn.ELU(),
        nn.Flatten(),
        nn.GELU(),
        nn.GlobalAveragePooling2D(),
        nn.GlobalMaxPooling2D(),
        nn.GlobalSumPooling2D(),
        nn.InstanceNorm(),
        nn.LayerNorm(),
        nn.LeakyReLU(),
        nn.MaxPooling2D(2),
        nn.PixelShuffle(2),
        nn.ReLU(),
        nn.Reshape(-1, 2),
        nn.Sigmoid(),
        nn.Softplus(),
        nn.Tanh(),
        nn.UpSampling2D(2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_say_so_give_each_sample_its_result_in_any_batch(layer):
    assert layer.is_per_sample
    x = np.random.default_rng(0).normal(size=(4, 4, 4, 4)).astype("float32")
    layer.build((None, 4, 4, 4), seed=0)
    whole = layer(x).numpy()
    parts = np.concatenate([layer(x[:1]).numpy(), layer(x[1:]).numpy()])
    assert np.allclose(whole, parts, rtol=0, atol=1e-6)
