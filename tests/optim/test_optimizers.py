"""Optimisers: published numbers, plain-loop references, and a state that is all there is."""

import math

import numpy as np
import pytest
from properties import plain

import minigan as mg
from minigan import nn, optim
from minigan.backend import is_array
from minigan.errors import StaleTensorError
from minigan.kernels import blocks
from minigan.nn import Parameter
from minigan.optim import SGD, Adam, Linear, Optimizer, RMSprop
from minigan.tensor import Tensor
from minigan.testing.values import values

FLOATS = ("float16", "float32", "float64")
SETTINGS = [
    (SGD, {}),
    (SGD, {"weight_decay": 0.1}),
    (SGD, {"momentum": 0.8}),
    (SGD, {"momentum": 0.8, "weight_decay": 0.1}),
    (SGD, {"momentum": 0.8, "nesterov": True}),
    (SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    (RMSprop, {}),
    (RMSprop, {"rho": 0.6, "eps": 0.01}),
    (RMSprop, {"rho": 0.6, "momentum": 0.7}),
    (Adam, {}),
    (Adam, {"beta1": 0.5, "beta2": 0.8, "eps": 0.01}),
    (Adam, {"beta1": 0.0, "beta2": 0.5, "amsgrad": True}),
    (Adam, {"beta2": 0.5, "weight_decay": 0.2}),
    (Adam, {"beta2": 0.5, "amsgrad": True, "weight_decay": 0.2}),
]
every_setting = pytest.mark.parametrize(
    ("make", "settings"), SETTINGS, ids=[f"{m.__name__}{sorted(s)}" for m, s in SETTINGS]
)


def minimize(optimizer, start, gradient, steps=1):
    """The path of one number from ``start`` down a function of this gradient."""
    w = Parameter(start, dtype="float64")
    optimizer.bind([w])
    path = [w.item()]
    for _ in range(steps):
        optimizer.step([np.array(gradient(w.item()))])
        path.append(w.item())
    return path


# Published numbers


def test_sgd_is_kerass_example():
    """The Keras documentation of SGD: lr 0.1 on x²/2 goes from 1.0 to 0.9."""
    assert minimize(SGD(0.1), 1.0, lambda x: x)[-1] == pytest.approx(0.9, rel=1e-15)


def test_momentum_is_kerass_example():
    """The same page: with momentum 0.9 the first step is 0.1 long, the second 0.18."""
    a, b, c = minimize(SGD(0.1, momentum=0.9), 1.0, lambda x: x, 2)
    assert a - b == pytest.approx(0.1, rel=1e-14)
    assert b - c == pytest.approx(0.18, rel=1e-14)


def test_rmsprop_is_kerass_example():
    """The Keras documentation of RMSprop (ρ 0.9, ε 1e-7): lr 0.1 on x²/2, 10.0 to 9.683772."""
    assert round(minimize(RMSprop(0.1, rho=0.9, eps=1e-7), 10.0, lambda x: x)[-1], 6) == 9.683772


def test_adam_is_kerass_example():
    """The Keras documentation of Adam: lr 0.1 on x²/2 goes from 10.0 to 9.9."""
    assert minimize(Adam(0.1), 10.0, lambda x: x)[-1] == pytest.approx(9.9, abs=1e-8)


def test_nesterov_is_sutskevers_at_the_point_he_looks_ahead_to():
    """Sutskever et al. (2013), equations 3 and 4: v ← μv − ε∇f(θ + μv), θ ← θ + v."""
    lr, mu, gradient = 0.1, 0.9, lambda x: 3 * x + 1
    theta, v, ahead = 2.0, 0.0, [2.0]
    for _ in range(8):
        v = mu * v - lr * gradient(theta + mu * v)
        theta += v
        ahead.append(theta + mu * v)
    found = minimize(SGD(lr, momentum=mu, nesterov=True), 2.0, gradient, 8)
    assert found == pytest.approx(ahead, rel=1e-13)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_adams_first_step_is_lr_long_whatever_the_gradients_scale(scale):
    """Kingma and Ba (2015), section 2.1: steps are bounded by α and invariant to rescaling."""
    start, end = minimize(Adam(0.01), 1.0, lambda x: -scale * x)
    assert end - start == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(("amsgrad", "end"), [(False, 1.0), (True, -1.0)])
def test_amsgrad_finds_the_minimum_that_adam_runs_away_from(amsgrad, end):
    """Reddi, Kale and Kumar (2018), theorem 1's example with C = 3 and its β₁ = 0 and β₂.

    f_t(x) = Cx if t mod 3 = 1, else −x, on [−1, 1]: the best x is −1, and Adam goes to +1.
    """
    c = 3.0
    x = Parameter([0.0], dtype="float64")
    schedule = lambda t: 0.5 / math.sqrt(t + 1)  # noqa: E731
    optimizer = Adam(schedule, beta1=0.0, beta2=1 / (1 + c * c), amsgrad=amsgrad).bind([x])
    for t in range(1, 3001):
        optimizer.step([np.array([c if t % 3 == 1 else -1.0])])
        x.assign(np.clip(x.numpy(), -1, 1))
    # After t mod 3 = 0 comes the one large step, which Adam undoes by two small ones.
    assert x.item() == pytest.approx(end, abs=0.05)


def test_decay_is_decoupled_from_the_moments():
    """Loshchilov and Hutter (2019), algorithm 2: decay is no gradient, so at g = 0 w shrinks by
    exactly 1 − lr·λ a step, where as an L² term Adam would normalise it to lr."""
    path = minimize(Adam(0.1, weight_decay=0.5), 2.0, lambda x: 0.0, 3)
    assert path == pytest.approx([2 * 0.95**t for t in range(4)], rel=1e-14)


def test_sgds_decay_is_the_gradient_of_a_square():
    path = minimize(SGD(0.1, momentum=0.9, weight_decay=0.5), 2.0, lambda x: 1.0, 4)
    plain = minimize(SGD(0.1, momentum=0.9), 2.0, lambda x: 1.0 + 0.5 * x, 4)
    assert path == pytest.approx(plain, rel=1e-14)


# Plain-loop references


def reference(make, settings, lr, w, gradients):
    """One number after the steps, by the formulas of the papers in Python's float64."""
    s = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "amsgrad": False, "rho": 0.9}
    s |= {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7 if make is RMSprop else 1e-8, **settings}
    v = m = square = largest = 0.0
    for t, g in enumerate(gradients):
        a = lr(t) if callable(lr) else lr
        if make is SGD:
            g += s["weight_decay"] * w
            v = s["momentum"] * v + g
            w -= a * (g + s["momentum"] * v if s["nesterov"] else v)
        elif make is RMSprop:
            square = s["rho"] * square + (1 - s["rho"]) * g**2
            v = s["momentum"] * v + g / (math.sqrt(square) + s["eps"])
            w -= a * v
        else:
            m = s["beta1"] * m + (1 - s["beta1"]) * g
            square = s["beta2"] * square + (1 - s["beta2"]) * g**2
            largest = max(largest, square)
            taken = largest if s["amsgrad"] else square
            denominator = math.sqrt(taken / (1 - s["beta2"] ** (t + 1))) + s["eps"]
            w -= a * s["weight_decay"] * w
            w -= a * m / (1 - s["beta1"] ** (t + 1)) / denominator
    return w


@every_setting
@pytest.mark.parametrize("lr", [0.05, Linear(0.1, 0.01, 5)])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_seven_random_steps_are_the_formulas(make, settings, lr, shape):
    w = Parameter(values(0, shape))
    gradients = [values(seed, shape) * 2 for seed in range(1, 8)]
    gradients[3] = gradients[3] * 0  # moments go on without it
    expected = np.empty(shape)
    for index in np.ndindex(shape):
        numbers = [float(g[index]) for g in gradients]
        expected[index] = reference(make, settings, lr, float(w.numpy()[index]), numbers)
    optimizer = make(lr, **settings).bind({"w": w})
    for gradient in gradients:
        optimizer.step([gradient])
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-12, atol=1e-14)


# dtypes, and what is written to


@every_setting
@pytest.mark.parametrize("shape", [(), (2, 3)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nothing_is_widened(make, settings, dtype, shape):
    w = Parameter(values(0, shape), dtype=dtype)
    optimizer = make(0.05, clip_norm=1.0, clip_value=0.5, **settings).bind([w])
    for seed in range(3):
        optimizer.step([values(seed, shape)])  # float64 gradients
    assert w.dtype == dtype
    assert np.isfinite(w.numpy()).all()
    slots = {k: a for k, a in optimizer.state.items() if k not in ("lr", "steps")}
    assert len(slots) == len(optimizer.slots)
    assert all(a.dtype == dtype and a.shape == shape for a in slots.values())


@every_setting
def test_float32_follows_float64(make, settings):
    found = {}
    for dtype in ("float32", "float64"):
        w = Parameter(values(0, (5,)), dtype=dtype)
        optimizer = make(0.05, **settings).bind([w])
        for seed in range(10):
            optimizer.step([values(seed, (5,))])
        found[dtype] = w.numpy()
    np.testing.assert_allclose(found["float32"], found["float64"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("make", [SGD, RMSprop, Adam, lambda lr: Adam(lr, amsgrad=True)])
def test_a_gradient_of_zero_moves_nothing(make, dtype):
    """In float16 an ε of 1e-8 is 0, and 0/0 would be NaN."""
    w = Parameter([1.0, -2.0], dtype=dtype)
    make(0.1).bind([w]).step([np.zeros(2, dtype)])
    assert w.numpy().tolist() == [1, -2]


@every_setting
def test_the_parameters_array_is_written_in_place_and_no_gradient_is(make, settings):
    w = Parameter(values(0, (2, 3)))
    gradient = values(1, (2, 3))
    gradient.flags.writeable = False
    array, before = w._array, w.numpy()
    optimizer = make(0.1, **settings).bind([w])
    for _ in range(2):
        optimizer.step([gradient])
    assert w._array is array
    assert not np.array_equal(plain(array), before)


def test_a_graph_from_before_the_step_is_stale():
    w = Parameter([1.0, 2.0])
    y = (w * w).sum()
    SGD(0.1).bind([w]).step([np.ones(2)])
    with pytest.raises(StaleTensorError):
        y.backward()


def test_a_graph_whose_parameter_got_no_gradient_is_not():
    w, other = Parameter([1.0, 2.0]), Parameter([1.0])
    y = (w * w).sum()
    SGD(0.1).bind([w, other]).step([None, np.ones(1)])
    y.backward()
    assert w.grad.numpy().tolist() == [2, 4]


# Where gradients come from


def test_gradients_come_from_grad_or_are_given_in_order():
    a, b = Parameter([1.0]), Parameter([2.0, 3.0])
    optimizer = SGD(1.0).bind([a, b])
    (a.sum() + (2 * b).sum()).backward()
    optimizer.step()
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([0], [0, 1])
    optimizer.step([Tensor([1.0]), np.array([1.0, 1.0])])
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([-1], [-1, 0])
    optimizer.zero_grad()
    assert a.grad is None
    assert b.grad is None


@every_setting
def test_a_parameter_without_gradient_stays_with_all_that_belongs_to_it(make, settings):
    a, b = Parameter([1.0]), Parameter([2.0])
    optimizer = make(0.1, clip_norm=1.0, clip_value=1.0, **settings).bind({"a": a, "b": b})
    optimizer.step([np.ones(1), np.ones(1)])
    before = {k: v.copy() for k, v in optimizer.state.items()}, a.numpy()
    optimizer.step([None, np.ones(1)])
    assert a.item() == before[1]
    for name, array in optimizer.state.items():
        if name.endswith(".a"):
            assert np.array_equal(array, before[0][name])
    assert optimizer.state["steps"] == 2


def test_a_module_is_bound_by_its_trained_parameters():
    model = nn.Sequential(nn.Dense(2), nn.BatchNorm()).build((None, 3))
    model[0].bias.requires_grad = False
    optimizer = SGD(momentum=0.9).bind(model)
    assert list(optimizer.parameters) == ["0.weight", "1.gamma", "1.beta"]


# Clipping


def test_clipping_to_a_norm_is_joint():
    a, b = Parameter([0.0, 0.0]), Parameter([0.0])
    SGD(1.0, clip_norm=6.5).bind([a, b]).step([np.array([3.0, 4.0]), np.array([12.0])])
    assert a.numpy().tolist() == [-1.5, -2]  # halved, as the joint norm is 13
    assert b.numpy().tolist() == [-6]


def test_values_are_clipped_before_the_norm():
    w = Parameter([0.0, 0.0])
    SGD(1.0, clip_value=3.0, clip_norm=2.5).bind([w]).step([np.array([300.0, -4.0])])
    # (3, −3) has norm 3√2; the other order would leave (2.5, −0.03).
    np.testing.assert_allclose(w.numpy(), [-2.5 / math.sqrt(2), 2.5 / math.sqrt(2)], rtol=1e-15)


# Learning rates


def test_a_schedule_is_asked_for_the_steps_taken_before():
    asked = []

    def schedule(step):
        asked.append(step)
        return 1.0 / (step + 1)

    path = minimize(SGD(schedule), 0.0, lambda x: 1.0, 3)
    assert path == pytest.approx([0, -1, -1.5, -1.5 - 1 / 3], rel=1e-15)
    assert asked[-3:] == [0, 1, 2]


def test_lr_is_that_of_the_last_step_and_can_be_written():
    optimizer = SGD(Linear(1.0, 0.0, 4)).bind([Parameter([0.0])])
    assert optimizer.lr == 1
    for _ in range(3):
        optimizer.step([np.ones(1)])
    assert optimizer.lr == 0.5
    w = Parameter([0.0])
    fixed = SGD(1.0).bind([w])
    fixed.state["lr"][...] = 0.25
    fixed.step([np.ones(1)])
    assert w.item() == -0.25


# State


@every_setting
def test_state_is_a_flat_dict_of_arrays(make, settings):
    optimizer = make(0.1, **settings).bind({"a.b": Parameter([1.0])})
    assert all(is_array(a) for a in optimizer.state.values())
    assert optimizer.state["lr"].shape == optimizer.state["steps"].shape == ()
    assert set(optimizer.state) == {"lr", "steps", *(f"{slot}.a.b" for slot in optimizer.slots)}


@every_setting
@pytest.mark.parametrize("lr", [0.05, Linear(0.1, 0.01, 5)])
def test_a_restored_run_has_the_bits_of_one_that_never_stopped(make, settings, lr):
    def bound(start):
        w = Parameter(start, dtype="float32")
        return w, make(lr, **settings).bind({"w": w})

    def advance(optimizer, seeds):
        for seed in seeds:
            optimizer.step([values(seed, (4,)).astype("f4")])

    whole, straight = bound(values(0, (4,)))
    advance(straight, range(6))
    half, first = bound(values(0, (4,)))
    advance(first, range(3))
    resumed, second = bound(half.numpy())
    second.load_state({name: array.copy() for name, array in first.state.items()})
    advance(second, range(3, 6))
    assert resumed.numpy().tobytes() == whole.numpy().tobytes()
    assert all(a.tobytes() == straight.state[n].tobytes() for n, a in second.state.items())


def test_loading_state_copies():
    a, b = (Adam(0.1).bind([Parameter([1.0])]) for _ in range(2))
    arrays = dict(b.state)
    b.load_state(a.state)
    a.step([np.ones(1)])
    assert b.state["steps"] == 0
    assert all(b.state[name] is array for name, array in arrays.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("mean.w"), "missing or unexpected: mean.w"),
        (lambda s: s.update(extra=np.ones(1)), "missing or unexpected: extra"),
        (lambda s: s.update({"square.w": np.ones(3)}), r"'square.w': got shape (3,)"),
        (lambda s: s.update({"square.w": np.ones(2, "f4")}), "dtype float32, wanted (2,) and"),
        (lambda s: s.update({"square.w": np.array(["a", "b"])}), "dtype <U1"),
        (lambda s: s.update(steps=np.array(2.5)), "'steps': got shape () and dtype float64"),
    ],
)
def test_state_that_does_not_fit_is_refused_and_nothing_is_written(change, message):
    optimizer = Adam(0.1).bind({"w": Parameter([1.0, 2.0])})
    state = {name: array + 1 for name, array in optimizer.state.items()}
    before = {name: array.copy() for name, array in optimizer.state.items()}
    change(state)
    with pytest.raises(ValueError, match="state") as error:
        optimizer.load_state(state)
    assert message in str(error.value)
    assert all(np.array_equal(before[name], a) for name, a in optimizer.state.items())


@every_setting
@pytest.mark.parametrize("lr", [0.05, Linear(0.1, 0.01, 5)])
@pytest.mark.parametrize("again", [lambda o: o.unbound(), lambda o: o])
def test_bound_again_a_used_optimiser_is_as_new(make, settings, lr, again):
    """Moments that are zero again need the bias correction of a first step again."""

    def run(optimizer):
        w = Parameter([1.0, -1.0])
        optimizer.bind({"w": w}).step([np.array([0.5, 2.0])])
        return w.numpy(), dict(optimizer.state)

    used = make(lr, **settings)
    minimize(used, 1.0, lambda x: x, 3)
    (w, state), (fresh, fresh_state) = run(again(used)), run(make(lr, **settings))
    assert np.array_equal(w, fresh)
    assert state.keys() == fresh_state.keys()


def test_an_unbound_twin_shares_no_state_with_its_original():
    w = Parameter([1.0])
    original = Adam(0.1, beta1=0.5).bind([w])
    twin = original.unbound()
    assert twin.beta1 == 0.5
    assert not twin.parameters
    twin.state["lr"][...] = 9
    twin.bind([Parameter([1.0])]).step([np.ones(1)])
    assert original.lr == 0.1
    assert original.state["steps"] == 0
    assert not original.state["mean.0"].any()
    assert list(original.parameters.values())[0] is w


def test_an_unbound_twin_keeps_a_learning_rate_that_was_written():
    original = SGD(0.1)
    original.state["lr"][...] = 0.5
    assert original.unbound().lr == 0.5


# Errors


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(-0.1),
        lambda: SGD(float("nan")),
        lambda: SGD(lambda step: -1.0),
        lambda: SGD(clip_norm=-1),
        lambda: SGD(clip_value=-1),
        lambda: SGD(momentum=1),
        lambda: SGD(momentum=-0.1),
        lambda: SGD(nesterov=True),
        lambda: RMSprop(rho=1),
        lambda: RMSprop(momentum=1),
        lambda: Adam(beta1=1),
        lambda: Adam(beta2=-0.1),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="lr|clip|momentum|rho|beta"):
        make()


def test_an_unbound_optimiser_names_bind():
    with pytest.raises(RuntimeError, match=r"call bind\(module\)"):
        SGD().step()


def test_only_leaves_can_be_bound():
    for bad in (Parameter([1.0]) * 2, np.ones(2)):
        with pytest.raises(TypeError, match="'1' is not a leaf tensor"):
            SGD().bind([Parameter([1.0]), bad])


def test_gradients_must_fit():
    optimizer = SGD(0.1).bind({"w": Parameter([1.0, 2.0])})
    with pytest.raises(ValueError, match="got 2 for 1 parameters"):
        optimizer.step([np.ones(2), np.ones(2)])
    with pytest.raises(ValueError, match=r"gradient of 'w': got shape \(1,\), wanted \(2,\)"):
        optimizer.step([np.ones(1)])
    assert optimizer.state["steps"] == 0


def test_settings_may_change_from_parameter_to_parameter():
    class NoDecayOfBiases(SGD):
        def update(self, weight, gradient, *slots):
            self.weight_decay = 0.5 if weight.ndim > 1 else 0.25
            super().update(weight, gradient, *slots)

    parameters = [Tensor(np.ones(shape), requires_grad=True) for shape in ((2, 2), (2,))]
    NoDecayOfBiases(1.0).bind(parameters).step([np.zeros(p.shape) for p in parameters])
    assert [p.numpy().ravel()[0] for p in parameters] == [0.5, 0.75]


def test_an_optimiser_of_ones_own_needs_only_slots_and_update():
    class Sign(Optimizer):
        slots = ("count",)

        def update(self, weight, gradient, *slots):
            weight -= self.lr * np.sign(gradient)
            slots[0][...] += 1

    w = Parameter([1.0, 1.0])
    optimizer = Sign(0.5).bind({"w": w})
    optimizer.step([np.array([3.0, -2.0])])
    assert w.numpy().tolist() == [0.5, 1.5]
    assert optimizer.state["count.w"].tolist() == [1, 1]


def test_an_optimiser_without_update_says_so():
    with pytest.raises(TypeError, match=r"Optimizer does not define update\(\)"):
        Optimizer(0.1).bind([Parameter([1.0])]).step([np.ones(1)])


def test_descent_on_a_real_network_lowers_the_loss():
    model = nn.Sequential(nn.Dense(8), nn.Tanh(), nn.Dense(1)).build((None, 2), seed=0)
    x = values(0, (32, 2)).astype("f4")
    target = np.sin(x[:, :1])
    optimizer, losses = Adam(0.02).bind(model), []
    for _ in range(60):
        loss = ((model(x) - target) ** 2).mean()
        optimizer.step(mg.grad(loss, model.parameters()))
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


@pytest.mark.cpu_only("goes by blocks that a processor's cache holds")
@pytest.mark.parametrize("make", [SGD, RMSprop, Adam])
def test_a_large_parameter_is_updated_in_blocks_to_the_same_bits(make, monkeypatch):
    rng = np.random.default_rng(0)
    first, gradients = rng.normal(size=(7, 5)), rng.normal(size=(3, 7, 5))
    found, sizes = [], []
    for block in (1 << 16, 8):
        for module in (optim.optimizer, blocks):
            monkeypatch.setattr(module, "BLOCK", block)
        weight = Tensor(first, requires_grad=True)
        optimizer = make(0.1).bind([weight])
        update = optimizer.update
        optimizer.update = lambda w, *more, f=update: sizes.append(w.size) or f(w, *more)
        for g in gradients:
            optimizer.step([g])
        found.append(weight.numpy())
    assert sizes == [35] * 3 + [8, 8, 8, 8, 3] * 3
    assert np.array_equal(*found)


def test_an_optimizer_that_does_not_say_so_sees_whole_parameters(monkeypatch):
    monkeypatch.setattr(optim.optimizer, "BLOCK", 8)
    seen = []

    class Norm(Optimizer):
        def update(self, weight, gradient):
            seen.append(weight.shape)
            weight -= gradient / np.sqrt((gradient**2).sum())

    Norm(0.1).bind([Tensor(np.ones((7, 5)), requires_grad=True)]).step([np.ones((7, 5))])
    assert seen == [(7, 5)]


@pytest.mark.parametrize("rate", [float("nan"), -0.1, None, "0.1"])
def test_a_schedule_that_goes_wrong_later_is_named(rate):
    optimizer = SGD(lambda step: 0.1 if step < 2 else rate).bind([Parameter([1.0])])
    for _ in range(2):
        optimizer.step([np.ones(1)])
    with pytest.raises((TypeError, ValueError), match="lr after 2 steps: got .*, wanted a number"):
        optimizer.step([np.ones(1)])


def test_settings_of_numpys_are_described():
    plain = Adam(0.1, beta1=0.5, clip_norm=2.0)
    others = Adam(np.float64(0.1), beta1=np.float32(0.5), clip_norm=np.float32(2))
    assert others.describe() == plain.describe()
