from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, adjoint, behaves, close, keeps_dtypes
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.kernels import gemm
from minigan.testing import check_gradients
from minigan.testing.strategies import broadcastable, einsums, seeds, values


@st.composite
def factors(draw):
    """Operands of a matrix product: vectors, matrices and stacks of them that broadcast."""
    m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
    a, b = draw(broadcastable(2, max_dims=2))
    left = draw(st.sampled_from([(k,), (m, k), (*a, m, k)]))
    right = draw(st.sampled_from([(k,), (k, n), (*b, k, n)]))
    return values(draw(seeds()), left), values(draw(seeds()), right)


@examples(40)
@given(factors())
def test_matmul_matches_numpy(drawn):
    a, b = drawn
    close(mg.matmul(Tensor(a), Tensor(b)), np.matmul(a, b))
    close(Tensor(a) @ b, np.matmul(a, b))
    close(a @ Tensor(b), np.matmul(a, b))
    behaves(mg.matmul, a, b)


@pytest.mark.parametrize("left", [1, 2, 3])
@pytest.mark.parametrize("right", [1, 2, 3])
def test_every_pair_of_ranks(left, right):
    a = values(0, (2, 3, 4)[3 - left :])
    b = values(1, {1: (4,), 2: (4, 3), 3: (2, 4, 3)}[right])
    close(mg.matmul(Tensor(a), Tensor(b)), np.matmul(a, b))
    behaves(mg.matmul, a, b)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("rows", "columns"), [(5, 3), (1, 4), (4, 1), (0, 3), (3, 0)])
def test_products_of_one_column_and_one_row_are_exact(rows, columns, dtype):
    column, row = (values(k, s).astype(dtype) for k, s in enumerate(((rows, 1), (1, columns))))
    for left in (column, np.repeat(column, 2, axis=1)[:, :1]):
        for right in (row, np.repeat(row, 2, axis=1)[:, ::2]):
            out = np.full((rows, columns), np.nan, dtype)
            assert gemm.matmul(left, right, out) is out
            assert np.array_equal(out, column * row)
    with_gaps = np.full((rows, columns + 2), np.nan, dtype)
    gemm.matmul(column, row, with_gaps[:, 1:-1])
    assert np.array_equal(with_gaps[:, 1:-1], column * row)
    assert np.isnan(with_gaps[:, [0, -1]]).all()


def test_one_tensor_may_be_both_factors():
    check_gradients(lambda t: t @ t, [values(0, (3, 3))], order=2)
    check_gradients(lambda t: t @ t.T, [values(0, (2, 3))], order=2)
    check_gradients(lambda t: t @ t, [values(0, (4,))], order=2)


def test_multiplying_from_the_left_and_by_the_transpose_are_adjoint():
    a, x, y = values(0, (4, 3)), values(1, (3, 2)), values(2, (4, 2))
    adjoint(lambda v: mg.matmul(a, v), lambda v: mg.matmul(a.T, v), x, y)


@examples(40)
@given(einsums())
def test_einsum_matches_numpy(drawn):
    subscripts, operands = drawn
    close(mg.einsum(subscripts, *[Tensor(x) for x in operands]), np.einsum(subscripts, *operands))
    behaves(lambda *ts: mg.einsum(subscripts, *ts), *operands)


SPECS = {
    "matrix product": ("ij,jk->ik", (2, 3), (3, 2)),
    "in batches": ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    "attention": ("bqhd,bkhd->bhqk", (1, 2, 2, 2), (1, 3, 2, 2)),
    "three factors": ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    "inner product": ("i,i->", (3,), (3,)),
    "outer product": ("i,j->ij", (2,), (3,)),
    "trace": ("ii->", (3, 3)),
    "diagonal": ("ii->i", (3, 3)),
    "diagonal in three axes": ("iii->i", (2, 2, 2)),
    "diagonal in a product": ("iij,j->i", (2, 2, 3), (3,)),
    "two diagonals": ("iijj->ij", (2, 2, 3, 3)),
    "transpose": ("ij->ji", (2, 3)),
    "summed away": ("ij->j", (2, 3)),
    "all summed away": ("ij->", (2, 3)),
    "one summed away in each": ("ij,kj->j", (2, 3), (2, 3)),
    "no arrow": ("ij,jk", (2, 3), (3, 2)),
    "no arrow, sorted": ("ba", (2, 3)),
    "capital letters": ("iJ,Jk", (2, 3), (3, 2)),
    "spaces": (" i j , j -> i ", (2, 3), (3,)),
    "dots": ("...i,...i->...", (2, 3, 2), (3, 2)),
    "dots no arrow": ("...i,i", (2, 3), (3,)),
    "dots in the middle": ("i...j,j->...i", (2, 3, 2), (2,)),
    "dots of length 1": ("...i,...i->...i", (1, 3, 2), (2, 1, 2)),
    "length 1 against 3": ("ij,ij->ij", (1, 3), (3, 3)),
    "length 1 against 3, summed": ("i,i->", (1,), (3,)),
    "length 1 against 3, one left": ("ij,ij->j", (1, 3), (2, 3)),
    "a scalar": (",i->i", (), (3,)),
    "only scalars": (",->", (), ()),
    "size 0": ("ij,jk->ik", (2, 0), (0, 3)),
    "size 0 left": ("ij,j->i", (0, 2), (2,)),
}


@pytest.mark.parametrize("name", SPECS)
def test_einsums_of_every_kind(name):
    subscripts, *sizes = SPECS[name]
    operands = [values(i, shape) for i, shape in enumerate(sizes)]
    found = mg.einsum(subscripts, *[Tensor(x) for x in operands])
    close(found, np.einsum(subscripts, *operands))
    behaves(lambda *ts: mg.einsum(subscripts, *ts), *operands)


def test_one_tensor_may_be_several_operands_of_einsum():
    x = values(0, (3, 3))
    check_gradients(lambda t: mg.einsum("ij,jk->ik", t, t), [x], order=2)
    check_gradients(lambda t: mg.einsum("ij,ji,ii->j", t, t, t), [x], order=2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_constant_factors_never_widen(dtype):
    x, ones = Tensor(np.ones((2, 2)), dtype=dtype), np.ones((2, 2), dtype=int)
    for y in (
        mg.matmul(x, ones),
        mg.matmul(ones, x),
        mg.matmul(x, ones > 0),
        mg.matmul(x, ones[0] > 0),
        mg.einsum("ij,j->i", x, ones[0]),
        mg.einsum(",ij->ij", 2.5, x),
        mg.einsum(",ij->ij", np.array(2.5), x),
    ):
        assert y.dtype == dtype
    keeps_dtypes(lambda t: mg.matmul(t, ones), [np.ones((2, 2))])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mg.matmul(x, x), r"matmul: shapes \(2, 3\) and \(2, 3\) do not match"),
        (lambda x: mg.matmul(x, 2.0), r"matmul: shapes \(2, 3\) and \(\) do not match"),
        (lambda x: mg.matmul(2.0, x), r"matmul: shapes \(\) and \(2, 3\) do not match"),
        (lambda x: mg.matmul(x, x[0, :2]), r"matmul: shapes \(2, 3\) and \(2,\) do not match"),
        (lambda x: mg.matmul(x[None], np.ones((2, 3, 1))[[0, 1, 1]]), None),
        (lambda x: mg.einsum("ij,jk->ik", x), r"'ij,jk->ik' names 2 operands, got 1"),
        (lambda x: mg.einsum("ijk->k", x), r"'ijk' does not fit an operand of 2 axes"),
        (lambda x: mg.einsum("...ijk->k", x), r"'\.\.\.ijk' does not fit an operand of 2 axes"),
        (lambda x: mg.einsum("ij,ij->i", x, x.T), r"einsum: "),
        (lambda x: mg.einsum("ij->k", x), r"einsum: "),
        (lambda x: mg.einsum("ii->i", x), r"einsum: "),
    ],
)
def test_what_is_wrong_is_named(call, message):
    if message is None:  # stacks of one and of three broadcast
        assert call(Tensor(np.ones((2, 3)))).shape == (3, 2, 1)
        return
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 3))))


@examples(40)
@given(st.lists(st.integers(0, 3), max_size=3), st.integers(1, 4), st.integers(1, 4), seeds())
def test_affine_is_a_product_and_a_sum(lead, inputs, units, seed):
    x, w = values(seed, (*lead, inputs)), values(seed + 1, (inputs, units))
    b = values(seed + 2, (units,))
    close(mg.affine(x, w, b), x @ w + b)
    behaves(mg.affine, x, w, b)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("wanted", [(0, 1, 2), (1, 2), (0,), (2,)])
@pytest.mark.parametrize("shape", [(7, 4), (2, 3, 4), (4,), (700, 4)])
def test_affine_with_a_slope_is_a_leaky_relu_of_it(shape, wanted, slope, create_graph):
    arrays = [values(k, s) for k, s in enumerate([shape, (4, 101), (101,)])]
    inputs = [Tensor(a, requires_grad=i in wanted) for i, a in enumerate(arrays)]
    together = mg.affine(*inputs, slope=slope)
    apart = mg.leaky_relu(mg.affine(*inputs), slope)
    assert together.numpy().tobytes() == apart.numpy().tobytes()
    inputs = [inputs[i] for i in wanted]
    g = Tensor(values(3, together.shape), requires_grad=create_graph)
    found = mg.grad(together, inputs, g, create_graph=create_graph)
    for got, of in zip(found, mg.grad(apart, inputs, g, create_graph=create_graph), strict=True):
        assert got.numpy().tobytes() == of.numpy().tobytes()


def test_a_slope_of_affine_is_checked():
    for slope in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="slope: got .*wanted a number, 0 or more"):
            mg.affine(np.ones((2, 3)), np.ones((3, 4)), np.ones(4), slope)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (4, 5), (5,)), r"shapes \(2, 3\) and \(4, 5\) do not match"),
        (((), (4, 5), (5,)), r"shapes \(\) and \(4, 5\) do not match"),
        (((2, 4), (4,), (4,)), r"shapes \(2, 4\) and \(4,\) do not match"),
        (((2, 4), (4, 5), (4,)), r"got a bias of shape \(4,\), wanted \(5,\)"),
    ],
)
def test_affine_says_which_shapes_do_not_fit(shapes, message):
    with pytest.raises(ValueError, match=message):
        mg.affine(*[np.ones(shape) for shape in shapes])
