"""Products in tiles: as defined, and each tile too small for BLAS to share among its threads."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import close
from strategies import examples

import minigan as mg
from minigan import workers
from minigan.kernels import bilinear, blas, choice, gemm
from minigan.kernels.windows import Window
from minigan.testing.strategies import seeds, values

SHARED, SHARED_VECTOR = 1 << 18, 9216
"""From how many multiplications on OpenBLAS shares a product, and one with a vector."""


def is_shared(shape):
    m, n, k = shape
    return m * n * k >= (SHARED_VECTOR if 1 in (m, n) else SHARED)


@pytest.fixture
def asked(monkeypatch):
    """(m, n, k) of every product that BLAS is asked for."""
    shapes, matmul = [], np.matmul

    def noted(a, b, out):
        shapes.append((*out.shape[-2:], a.shape[-1]))
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", noted)
    return shapes


@contextmanager
def tiny_tiles():
    with pytest.MonkeyPatch.context() as patch:
        for name, size in {
            **{"TILE": 64, "VECTOR": 8, "ROWS": 2, "LINE": 2, "DEPTH": 3, "SHARES": 3},
            **{"LARGE": 1, "LARGE_VECTOR": 1, "LONG": 2, "SHALLOW": 2},
        }.items():
            patch.setattr(blas, name, size)
        patch.setattr(workers, "SMALLEST", 0)
        blas._tile.cache_clear()
        try:
            yield
        finally:
            blas._tile.cache_clear()


@st.composite
def factors(draw, stacks=4, most=20):
    """Two stacks of matrices that match, in any layout, and room for their products."""
    r, m, n, k = draw(st.integers(0, stacks)), *(draw(st.integers(0, most)) for _ in range(3))
    seed = draw(seeds())
    a, b = values(seed, (r, m, k)), values(seed + 1, (r, k, n))
    layout = st.sampled_from(
        [
            lambda x: x,
            lambda x: np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2),
            lambda x: np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1),
            lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
            lambda x: np.flip(np.flip(x).copy()),
        ]
    )
    a, b, out = (draw(layout)(x) for x in (a, b, np.full((r, m, n), np.nan)))
    return a, b, out


@examples(150)
@given(factors())
def test_products_in_tiles_are_the_definitions(operands):
    a, b, out = operands
    with tiny_tiles():
        assert blas.products(a, b, out) is out
    close(out, np.einsum("rmk,rkn->rmn", a, b), 1e-14)


@examples(100)
@given(factors(stacks=1))
def test_large_products_by_several_threads_are_the_definitions(operands):
    a, b, out = (np.concatenate([x, np.ones((1, *x.shape[1:]))])[0] for x in operands)
    with tiny_tiles(), mg.config(threads=3):
        assert blas.matmul(a, b, out) is out
    close(out, np.einsum("mk,kn->mn", a, b), 1e-14)


def test_a_matrix_may_be_there_once_for_a_whole_stack():
    a, b = values(0, (40, 30)), values(1, (3, 30, 50))
    out = np.empty((3, 40, 50))
    blas.products(np.broadcast_to(a, (3, 40, 30)), b, out)
    close(out, a @ b, 1e-14)


SHAPES = [
    *[(94, 32768, 64), (64, 8192, 94), (6272, 64, 25), (25, 64, 25088), (128, 12544, 100)],
    *[
        (1, 70000, 100),
        (70000, 1, 100),
        (256, 1, 6272),
        (1, 1, 500000),
        (17, 17, 1000),
        (300, 2, 999),
        (50, 11, 373),
        (34, 41, 381),
    ],
]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_tile_is_shared_among_threads_of_blas(shape, asked):
    m, n, k = shape
    out = np.empty((1, m, n), "float32")
    blas.products(np.ones((1, m, k), "float32"), np.ones((1, k, n), "float32"), out)
    assert (out == k).all()
    assert asked and not any(map(is_shared, asked))


@pytest.mark.parametrize("shape", [(512, 1024, 128), (3000, 1, 100), (256, 1, 6272)])
def test_large_products_are_not_shared_either(shape, asked):
    m, n, k = shape
    blas.matmul(np.ones((m, k), "float32"), np.ones((k, n), "float32"), np.empty((m, n), "float32"))
    assert asked and shape not in asked and not any(map(is_shared, asked))


MIDDLE = [
    *[(100, 784, 128), (512, 128, 128), (700, 900, 300), (128, 1, 128), (75, 128, 12544)],
    *[(1, 3000, 100), (1, 1, 300_000), (4, 1, 100_000), (64, 512, 3136)],
]


@pytest.mark.parametrize("shape", MIDDLE)
@pytest.mark.parametrize("turned", [False, True])
def test_where_blas_is_to_share_none_no_product_is(shape, turned, asked):
    m, n, k = shape
    b = np.ones((n, k), "float32").T if turned else np.ones((k, n), "float32")
    with mg.config(blas_threads=False):
        out = blas.matmul(np.ones((m, k), "float32"), b, np.empty((m, n), "float32"))
    assert (out == k).all()
    assert asked and not any(map(is_shared, asked))


def test_huge_ones_with_long_sums_are_left_to_blas_in_any_case(asked, monkeypatch):
    monkeypatch.setattr(blas, "HUGE", 1 << 20)
    deep, wide = (64, 64, 2 * blas.DEPTH), (256, 256, blas.DEPTH)
    with mg.config(blas_threads=False):
        for m, n, k in (deep, wide):
            blas.matmul(np.ones((m, k)), np.ones((k, n)), np.empty((m, n)))
    assert deep in asked and wide not in asked


@examples(60)
@given(factors(), st.booleans())
def test_stacks_are_the_definition_in_tiles_too(operands, repeated):
    a, b, _ = operands
    a = a[:1] if repeated else a
    with tiny_tiles(), mg.config(blas_threads=False):
        found = gemm.stacked(a[:, None], np.stack([b, b], 1))
    expected = np.einsum("rmk,rkn->rmn", np.broadcast_to(a, (len(b), *a.shape[1:])), b)
    close(found, np.stack([expected, expected], 1), 1e-14)


@pytest.mark.parametrize("shapes", [((3, 200, 90), (3, 90, 200)), ((200, 90), (2, 3, 90, 200))])
def test_where_blas_is_to_share_none_no_product_of_a_stack_is(shapes, asked):
    with mg.config(blas_threads=False):
        out = gemm.stacked(*(np.ones(shape, "float32") for shape in shapes))
    assert (out == 90).all() and asked and not any(map(is_shared, asked))


@pytest.mark.parametrize("shape", [*MIDDLE, (4000, 4000, 300)])
def test_of_middle_size_or_with_long_sums_they_are_left_to_blas(shape, asked):
    m, n, k = shape
    blas.matmul(np.ones((m, k), "float32"), np.ones((k, n), "float32"), np.empty((m, n), "float32"))
    assert asked == [shape]


@pytest.mark.parametrize("m, n", [(5, 7), (600, 500)])
def test_a_column_times_a_row(m, n, asked):
    a, b = values(0, (m, 1)), values(1, (1, n))
    for out in (np.empty((m, n)), np.empty((m, 2 * n))[:, ::2]):
        np.testing.assert_array_equal(blas.matmul(a, b, out), a * b)
    assert not asked


WINDOWS = {
    "direct": (Window((5, 5), (2, 2), padding=((1, 2), (1, 2))), 1, 64),
    "planes": (Window((5, 5), (2, 2), padding=((1, 2), (1, 2))), 3, 64),
    "dft": (Window((5, 5), (2, 2), padding=((1, 2), (1, 2))), 32, 64),
    "winograd": (Window((3, 3), padding=((1, 1), (1, 1))), 64, 32),
    "winograd, stride 2": (Window((5, 5), (2, 2), padding=((1, 2), (1, 2))), 32, 128),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_no_product_of_a_convolution_is_shared(name, asked):
    convolved(*WINDOWS[name], name.split(",")[0])
    assert len(asked) > 10 and not any(map(is_shared, asked))


def test_direct_convolutions_of_many_weights_are_shared_but_where_blas_is_to_share_none(asked):
    where, *_ = WINDOWS["direct"]
    convolved(where, 32, 64, "direct")
    assert any(map(is_shared, asked))
    asked.clear()
    with mg.config(blas_threads=False):
        convolved(where, 32, 64, "direct")
    assert asked and not any(map(is_shared, asked))


def convolved(where, c, o, algorithm):
    """All three maps, and both gradients of two of them."""
    positions = where.positions((28, 28))
    x, w = np.ones((16, 28, 28, c), "float32"), np.ones((*where.taps, c, o), "float32")
    y = np.ones((16, *positions, o), "float32")
    with mg.config(conv=algorithm):
        choice.convolve(x, w, where, 1)
        choice.input_gradient(y, w, where, 1, (28, 28))
        choice.weight_gradient(x, y, where, 1)
        choice.convolve_gradients(x, w, y, where, 1)
        with bilinear.weights_unchanged():
            choice.input_gradient_gradients(y, w, x, where, 1)


def test_long_sums_of_few_results_are_stacks_of_tiles_with_all_of_them(asked):
    a, b = values(0, (2, 25, 1000)), values(1, (2, 1000, 64))
    close(blas.products(a, b, np.empty((2, 25, 64))), np.einsum("rmk,rkn->rmn", a, b), 1e-13)
    depth = blas.TILE // (25 * 64)
    assert asked == [(25, 64, depth), (25, 64, 1000 % depth)]


@pytest.mark.parametrize(
    ("m", "rows"), [(4, 4), (32, 32), (36, 18), (49, 25), (94, 32), (121, 31), (128, 32)]
)
def test_tiles_of_many_columns_have_about_as_many_rows_each(m, rows):
    assert blas._tile(m, 32768, 36)[0] == rows


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    monkeypatch.setattr(workers, "SMALLEST", 0)
    for m, k, n in [(700, 200, 900), (900, 200, 700), (70, 4000, 60), (25, 30000, 64)]:
        a, b = (values(i, s).astype("float32") for i, s in enumerate([(m, k), (k, n)]))
        found = []
        for threads in (1, 2, 5):
            with mg.config(threads=threads, blas_threads=False):
                found.append(blas.matmul(a, b, np.empty((m, n), "float32")).tobytes())
        assert found[0] == found[1] == found[2]
