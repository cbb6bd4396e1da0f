"""No public function without a gradient test: a new one fails here until it has an example."""

from __future__ import annotations

import numpy as np
import pytest
from properties import behaves
from strategies import values

import minigan as mg
from minigan import ops
from minigan.random import Stream

A, B = values(0, (2, 3), "positive"), values(1, (2, 3), "positive") + 0.5
SIGNED = values(2, (2, 3), "off_zero")
DISTINCT = values(3, (2, 3), "distinct")
MAPS = values(4, (1, 4, 4, 4), "distinct")
SMALL = MAPS[:, :3, :3, :2]

EXAMPLES = {
    "absolute": (mg.absolute, SIGNED),
    "add": (mg.add, A, B[:1]),
    "astype": (lambda x: mg.astype(x, x.dtype), A),
    "avg_pool2d": (lambda x: mg.avg_pool2d(x, 3, 2, "same"), SMALL),
    "batch_norm": (lambda *ts: mg.batch_norm(*ts, 0.1), MAPS[:, :3, :2, :2], A[0, :2], B[1, :2]),
    "broadcast_to": (lambda x: mg.broadcast_to(x, (2, 2, 3)), A[:1]),
    "clip": (lambda x: mg.clip(x, -0.2, 0.4), DISTINCT),
    "concatenate": (lambda *ts: mg.concatenate(ts, -1), A, B[:, :1]),
    "conv1d": (lambda x, w: mg.conv1d(x, w, 2, (1, 0), 2), MAPS[0, :, :, :2], MAPS[0, :2, :2, :2]),
    "conv2d": (
        lambda x, w: mg.conv2d(x, w, (1, 2), ((1, 0), (0, 2)), (2, 1), 2),
        SMALL,
        values(5, (2, 2, 1, 2)),
    ),
    "conv2d_transpose": (
        lambda x, w: mg.conv2d_transpose(x, w, (2, 1), "same", (1, 2), 2, (5, 3)),
        SMALL,
        values(6, (3, 2, 1, 2)),
    ),
    "cos": (mg.cos, SIGNED),
    "divide": (mg.divide, A, B[:1]),
    "dropout": (lambda x: mg.dropout(x, 0.4, Stream(1)), A),
    "einsum": (lambda *ts: mg.einsum("ij,kj,kk->ki", *ts), A, B, values(7, (2, 2))),
    "elu": (lambda x: mg.elu(x, 1.7), SIGNED),
    "embedding": (lambda x: mg.embedding(x, [[1, 1], [0, 1]]), A),
    "exp": (mg.exp, SIGNED),
    "expm1": (mg.expm1, SIGNED),
    "flatten": (mg.flatten, MAPS[:, :2, :2, :2]),
    "flip": (lambda x: mg.flip(x, 1), A),
    "gelu": (mg.gelu, SIGNED),
    "getitem": (lambda x: mg.getitem(x, ([1, 1, 0], slice(None, None, -2))), A),
    "global_avg_pool2d": (mg.global_avg_pool2d, SMALL),
    "global_max_pool2d": (mg.global_max_pool2d, SMALL),
    "instance_norm": (lambda *ts: mg.instance_norm(*ts, 0.1), SMALL, A[0, :2], B[1, :2]),
    "layer_norm": (lambda *ts: mg.layer_norm(*ts, 0.1), A, B[0], SIGNED[1]),
    "leaky_relu": (lambda x: mg.leaky_relu(x, 0.2), SIGNED),
    "log": (mg.log, A),
    "log1p": (mg.log1p, A),
    "log_softmax": (lambda x: mg.log_softmax(x, 0), values(8, (3, 2))),
    "logsumexp": (lambda x: mg.logsumexp(x, 1), SIGNED),
    "matmul": (mg.matmul, A, values(9, (3, 2))),
    "max": (lambda x: mg.max(x, 1), DISTINCT),
    "max_pool2d": (lambda x: mg.max_pool2d(x, (2, 3), 1, "same"), SMALL),
    "maximum": (mg.maximum, DISTINCT, -DISTINCT[:1, ::-1]),
    "mean": (lambda x: mg.mean(x, 0, keepdims=True), A),
    "min": (lambda x: mg.min(x, 0), DISTINCT),
    "minimum": (mg.minimum, DISTINCT, -DISTINCT[:1, ::-1]),
    "multiply": (mg.multiply, A, B[:1]),
    "negative": (mg.negative, A),
    "normalize": (lambda x: mg.normalize(x, (0, -1), 0.01), SIGNED),
    "pad": (lambda x: mg.pad(x, ((1, 0), (2, 3)), "reflect"), A),
    "pixel_shuffle": (mg.pixel_shuffle, MAPS[:, :2, :1]),
    "power": (mg.power, A, SIGNED),
    "relu": (mg.relu, SIGNED),
    "reshape": (lambda x: mg.reshape(x, (3, -1)), A),
    "roll": (lambda x: mg.roll(x, (1, -1), (0, 1)), A),
    "sigmoid": (mg.sigmoid, SIGNED),
    "sign": (lambda x: mg.sign(x) * x, SIGNED),  # by itself it has the gradient zero
    "sin": (mg.sin, SIGNED),
    "softmax": (lambda x: mg.softmax(x, 0), values(8, (3, 2))),
    "softplus": (mg.softplus, SIGNED),
    "split": (lambda x: mg.split(x, [1], 1), A),
    "sqrt": (mg.sqrt, A),
    "stack": (lambda *ts: mg.stack(ts, 1), A, B),
    "subtract": (mg.subtract, A, B[:1]),
    "sum": (lambda x: mg.sum(x, -1), A),
    "take": (lambda x: mg.take(x, [2, 0, 2], 1), A),
    "tanh": (mg.tanh, SIGNED),
    "to": (lambda x: mg.to(x, "cpu") * x, A),
    "transpose": (mg.transpose, A),
    "upsample_bilinear": (lambda x: mg.upsample_bilinear(x, (2, 3)), SMALL[:, :2, :2]),
    "upsample_nearest": (lambda x: mg.upsample_nearest(x, (2, 3)), SMALL[:, :2, :2]),
    "var": (lambda x: mg.var(x, 1, ddof=1), A),
    "where": (lambda a, b: mg.where(SIGNED > 0, a, b), A, B[:1]),
}

PLAIN = {"equal", "greater", "greater_equal", "less", "less_equal", "moments", "not_equal"}
"""What returns plain arrays, and so has no gradient."""


def test_every_public_function_has_an_example_or_a_reason_for_none():
    assert set(EXAMPLES) | PLAIN == set(ops.__all__)
    assert not set(EXAMPLES) & PLAIN


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_function_is_twice_differentiable_and_behaves(name):
    function, *operands = EXAMPLES[name]
    behaves(function, *operands)


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_what_has_no_gradient_returns_plain_arrays(name):
    x = mg.Tensor(A, requires_grad=True)
    found = mg.moments(x, 0) if name == "moments" else [getattr(mg, name)(x, B)]
    assert all(type(each) is np.ndarray for each in found)


@pytest.mark.parametrize("name", sorted(ops.__all__))
def test_every_function_says_what_it_does_and_has_its_own_name(name):
    function = getattr(ops, name)
    assert function.__doc__ and function.__name__ == name
