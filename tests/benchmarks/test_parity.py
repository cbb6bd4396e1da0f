"""Both sides compute the same, on every workload in a small width, in each of a peer's variants.

Nothing but the width and the batch differs from what is timed.
"""

import importlib

import numpy as np
import pytest

from benchmarks import ours, peers
from benchmarks.comparison import disagreement
from benchmarks.networks import BatchNorm, Dense, Flatten, ReLU, Reshape
from benchmarks.workloads import WORKLOADS

pytestmark = pytest.mark.reference

STEPS = 10
COMPILED = {"mlp", "wgan-gp28", "sample"}
"""What tinygrad is checked on: it takes minutes to compile the steps of the others."""


def side(name):
    """The peer's side, one thread; skips where there is none."""
    reason = peers.why_not(name)
    if reason is not None:
        pytest.skip(f"{name} {reason}")
    made = importlib.import_module(peers.module(name))
    made.set_threads(1)
    return made


@pytest.fixture(scope="module")
def torch_side():
    return side("torch")


def small(name):
    make, _ = WORKLOADS[name]
    return make(128, width=1 / 16) if name == "sample" else make(4, width=1 / 16)


def figures(side, workload, variant):
    runner = side.build(workload, workload.weights(), variant)
    steps = range(STEPS)
    results = [runner.step(runner.place(workload.data(k)), workload.draws(k)) for k in steps]
    return np.array([runner.figures(result) for result in results])


@pytest.mark.parametrize("peer", peers.NAMES)
@pytest.mark.parametrize("name", WORKLOADS)
def test_ten_steps_agree_in_every_variant(name, peer):
    if peer == "tinygrad" and name not in COMPILED:
        pytest.skip("tinygrad takes minutes to compile this")
    theirs = side(peer)
    workload = small(name).for_parity()
    mine = figures(ours, workload, *ours.variants(workload))
    assert mine.shape[0] == STEPS
    assert len(np.unique(mine[:, 0])) == STEPS  # every step is another one
    for variant in theirs.variants(workload):
        disagreement(mine, figures(theirs, workload, variant))


def test_a_peer_without_second_derivatives_runs_all_but_the_penalty():
    mygrad = side("mygrad")
    ran = {name for name in WORKLOADS if mygrad.variants(small(name))}
    assert ran == WORKLOADS.keys() - {"wgan-gp28"}


def test_what_parity_finds(torch_side):
    """A learning rate off by a fifth is out of tolerance, so agreement says something."""
    workload = small("dcgan28").for_parity()
    mine = figures(ours, workload, "gan.Trainer")
    assert np.abs(mine[0] - mine[-1]).max() > 1e-2  # ten steps move the losses by that much
    off = workload.__class__(**{**vars(workload), "optimizer": type(workload.optimizer)(1.2e-4)})
    assert np.abs(mine - figures(torch_side, off, "nchw joined")).max() > 1e-3


@pytest.mark.parametrize("name", ["ours", *peers.NAMES])
def test_a_step_draws_by_itself_and_trains(name):
    workload = small("dcgan28")
    made = ours if name == "ours" else side(name)
    runner = made.build(workload, workload.weights(), made.variants(workload)[-1])
    real = runner.place(workload.data(0))
    losses = {tuple(runner.figures(runner.step(real))) for _ in range(3)}
    assert len(losses) == 3 and np.isfinite(list(losses)).all()


@pytest.mark.parametrize(
    "large, small, taps, stride", [(28, 14, 5, 2), (14, 14, 5, 1), (7, 7, 3, 1)]
)
def test_padding_on_either_side(torch_side, large, small, taps, stride):
    pad, rest = torch_side.padding(large, small, taps, stride)
    assert (large + 2 * pad - taps) // stride + 1 == small
    assert (small - 1) * stride - 2 * pad + taps + rest == large


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_features_are_reordered_up_to_the_next_dense_layer(torch_side, layout):
    layers = (
        Dense(9),
        Dense(8),
        BatchNorm(),
        ReLU(),
        Reshape(2, 2, 2),
        Flatten(),
        ReLU(),
        Dense(1),
    )
    orders = torch_side.flat_orders(layers, (3,), layout)
    turned = {"nhwc": [6, 7, 4, 5, 2, 3, 0, 1], "nchw": [6, 4, 2, 0, 7, 5, 3, 1]}[layout]
    moved = [i for i, order in enumerate(orders) if order is not None]
    assert moved == [2, 3, 4, 6, 7]
    assert all(list(orders[i]) == turned for i in moved)


def test_joining_is_tried_only_where_no_batch_norm_forbids_it(torch_side):
    joined = {
        name
        for name, (make, _) in WORKLOADS.items()
        if any("joined" in v for v in torch_side.variants(make()))
    }
    assert joined == {"mlp", "dcgan28", "dcgan28-color", "wgan-gp28", "ring"}
