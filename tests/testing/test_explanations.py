"""Each explanation of a wrong gradient, and what must not be taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from minigan.testing.diagnosis import KINDS, Evidence, Explanation, explain

X, G, R = (np.random.default_rng(k).normal(size=(5, 4)) for k in range(3))
DEEP = np.random.default_rng(3).normal(size=(2, 3, 4))
FLAT = np.random.default_rng(4).normal(size=4)


def explained(claimed, right=R, noise=1e-10, index=0, inputs=None, others=(), output=None, g=G):
    """Of a function of inputs like ``right``, whose output and cotangent are 5 × 4."""
    right = np.asarray(right, np.float64)
    if inputs is None:
        same = right.shape == X.shape
        inputs = (X if same else np.random.default_rng(5).normal(size=right.shape),)
    outputs = (np.sin(X) if output is None else output,)
    return explain(Evidence(claimed, right, noise, index, inputs, outputs, (g,), tuple(others)))


def changed(array, at, value):
    array = array.copy()
    array[at] = value
    return array


CASES = [
    ("agrees", R, R, "agrees"),
    (
        "not_finite",
        changed(R, (3, 1), np.nan),
        R,
        "1 of 20 claimed entries .* at (3, 1); the others",
    ),
    ("not_finite", changed(2 * R, (3, 1), np.inf), R, "others are not right either"),
    ("zero", None, R, "None"),
    ("zero", np.zeros_like(R), R, "zero everywhere"),
    ("dtype", R.astype(np.float32), R, "its dtype is float32 and the input's is float64"),
    ("dtype", R.astype(complex), R, "complex128"),
    ("dtype", R.astype(np.float16).astype(float), R, "rounding of float16"),
    (
        "dtype",
        np.array(["?", None]),
        R,
        "not an array of real numbers but a ndarray of dtype object",
    ),
    ("dtype", [[1.0], [1.0, 2.0]], R, "not an array of real numbers but a list"),
    ("sign", -R, R, "minus the right one"),
    ("absolute", np.abs(R), R, "absolute value"),
    ("transposed", R.T, R, "transposed"),
    ("transposed", R[:4].T, R[:4], "transposed"),
    ("transposed", DEEP.swapaxes(1, 2), DEEP, "order (0, 2, 1)"),
    ("transposed", DEEP.T, DEEP, "order (2, 1, 0)"),
    ("permuted_axes", DEEP.transpose(1, 2, 0), DEEP, "order (1, 2, 0)"),
    ("flipped", R[::-1], R, "along axis 0"),
    ("flipped", R[::-1, ::-1], R, "along axes (0, 1)"),
    ("shifted", np.roll(R, 1, 0), R, "by +1 along axis 0, cyclically"),
    ("shifted", np.roll(R, -2, 0), R, "by -2 along axis 0, cyclically"),
    ("shifted", changed(np.roll(R, -1, 1), (..., -1), 0), R, "by -1 along axis 1, with zeros"),
    ("missing_sum", R, R.sum(0), "summed over axis 0, which leaves the input's shape (4,)"),
    ("missing_sum", R, R.sum(1, keepdims=True), "summed over axis 1"),
    ("missing_sum", DEEP, DEEP.sum((0, 2), keepdims=True)[0], "summed over axes (0, 2)"),
    ("missing_sum", R, R.mean(0), "averaged over axis 0"),
    ("missing_sum", R, R.sum(), "summed over axes (0, 1)"),
    ("extra_sum", R.sum(1), R, "summed over axis 1"),
    ("extra_sum", R.mean(1, keepdims=True), R, "averaged over axis 1"),
    ("extra_sum", np.broadcast_to(R.sum(0), R.shape), R, "summed over axis 0"),
    ("reshaped", R[:, None], R, "(5, 1, 4) instead of (5, 4): an axis of length 1 is kept"),
    ("reshaped", FLAT, FLAT[:, None], "dropped"),
    ("reshaped", R.ravel(), R, "(20,) instead of (5, 4)"),
    (
        "factor",
        0.25 * R,
        R,
        "0.25 times the right one, everywhere: 1/4, where 4 is the length of axis 1",
    ),
    (
        "factor",
        -20 * R,
        R,
        "-20 times the right one, everywhere: 20, where 20 is the number of elements of input 0",
    ),
    ("factor", 20 / 19 * R, R, "20/19, where 20 is the number of elements of input 0"),
    ("factor", np.sqrt(5) * R, R, "√5, where 5 is the length"),
    ("factor", 2 * R, R, "2 times the right one, everywhere"),
    ("factor", 1.7 * R, R, "1.7 times the right one, everywhere"),
    ("missing_factor", R / G, R, "the right gradient is the claimed one times the cotangent"),
    (
        "missing_factor",
        -0.5 * R / X,
        R,
        "the right gradient is -2 times the claimed one times input 0",
    ),
    ("extra_factor", R * X, R, "the claimed gradient is the right one times input 0"),
    ("extra_term", R + 0.3, R, "plus the constant 0.3"),
    ("extra_term", R - 2 * X.mean(), R, "2 times the mean of input 0"),
    ("extra_term", R + 0.7 * X, R, "plus 0.7 times input 0"),
    ("extra_term", R + 3 * X.mean(0), R, "plus 3 times the mean over axis 0 of input 0"),
    ("extra_term", R - G.sum(1, keepdims=True), R, "minus the sum over axis 1 of the cotangent"),
    ("extra_term", R + G * X / 5, R, "0.2 times the cotangent times input 0 (1/5, where 5 is"),
    ("extra_term", R + 2 * np.sin(X), R, "plus 2 times the output"),
    ("extra_term", R, R - R.mean(0), "plus the mean over axis 0 of the claimed gradient"),
    ("missing_term", R - R.mean(1, keepdims=True), R, "minus the mean over axis 1 of the right"),
    ("missing_term", R, R + 9 * X, "minus 9 times input 0"),
    ("elements", changed(R, (2, 1), 9), R, "1 of 20 elements are wrong, at (2, 1)"),
    ("elements", changed(R, -1, 0), R, "4 of 20 .* at the last index of axis 0; .* zero there"),
    ("elements", changed(R, np.s_[:, 1], 3 * R[:, 1]), R, "index 1 of axis 1; there it is 3 times"),
    ("elements", changed(R, np.s_[[0, 3]], 7.0), R, "at indices 0, 3 of axis 0"),
    (
        "elements",
        R * np.where(X < 0, 1.5, 1),
        R,
        "where input 0 is negative; there it is 1.5 times",
    ),
    ("elements", R * (X < 0), R, "where input 0 is positive; the claimed gradient is zero there"),
    ("elements", R * (X < 0) + (X > 0), R * (X < 0), "positive; the right gradient is zero there"),
    ("factor_along_axis", R * [1, 2, 3, 4], R, "along axis 1: 1, 2, 3, 4"),
    ("shape", R[:3], R, "(3, 4), the input has (5, 4)"),
    ("unknown", np.cbrt(R), R, "no explanation"),
    ("unknown", np.cbrt(R), np.zeros_like(R), "where the right one is zero"),
    ("unknown", R, changed(R, 0, np.nan), "not finite"),
]


@pytest.mark.parametrize(("kind", "claimed", "right", "words"), CASES)
def test_each_error_has_its_explanation(kind, claimed, right, words):
    found = explained(claimed, right)
    assert found.kind == kind, found
    position = 0
    for part in words.split(" .* "):
        assert part in found.words[position:], found
        position = found.words.index(part, position)


def test_a_gradient_of_another_input():
    found = explained(X, others=(R, X), inputs=(X, X))
    assert found.kind == "swapped" and "that of input 1, not of input 0" in found.words
    assert explained(X[0], others=(R, X[0]), inputs=(X, X)).kind == "swapped"
    assert explained(X, others=(R, None), inputs=(X, X)).kind != "swapped"


def test_every_kind_has_a_case_here_and_a_meaning():
    assert {case[0] for case in CASES} | {"swapped"} == set(KINDS)


def test_what_fits_equally_well_is_said_too():
    found = explained(-2 * R, others=(R, -2 * R), inputs=(X, X))
    assert found.kind == "swapped"
    assert "it fits as well that the claimed gradient is -2 times the right one" in found.words
    pair = R[:, :2]
    assert "flipped along axis 1; it fits as well" in explained(pair[:, ::-1], pair).words


def test_a_second_error_in_the_dtype_is_named_beside_the_first():
    found = explained(-R.astype(np.float32))
    assert found.kind == "sign" and found.words.endswith("dtype is float32, the input's float64")


def test_the_terms_of_a_softmax_and_of_a_normalisation():
    y = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    right = y * (G - (G * y).sum(1, keepdims=True))
    found = explained(y * G, right, output=y)
    assert found.kind == "extra_term"
    assert "the output times the sum over axis 1 of (the cotangent times the output)" in found.words
    sigma = np.sqrt(X.var(0) + 1e-3)
    hat = (X - X.mean(0)) / sigma
    right = (G - G.mean(0) - hat * (G * hat).mean(0)) / sigma
    found = explained((G - G.mean(0)) / sigma, right, output=hat)
    assert "input 0 less its mean over axis 0" in found.words
    found = explained((G - hat * (G * hat).mean(0)) / sigma, right, output=hat)
    assert "plus the mean over axis 0 of the claimed gradient" in found.words


def test_rows_that_indices_repeat():
    at = np.array([0, 3, 3, 1])
    right, assigned = np.zeros((5, 4)), np.zeros((5, 4))
    np.add.at(right, at, G[:4])
    assigned[at] = G[:4]
    found = explained(assigned, right, inputs=(X, at), g=G[:4], output=X[at])
    assert found.kind == "elements" and "at index 3 of axis 0" in found.words
    twice = np.concatenate([at, [0, 1, 4]])
    right, assigned = np.zeros((5, 2)), np.zeros((5, 2))
    np.add.at(right, twice, X[[0, 1, 2, 3, 4, 0, 1], :2])
    assigned[twice] = X[[0, 1, 2, 3, 4, 0, 1], :2]
    found = explained(assigned, right, inputs=(X[:, :2], twice))
    assert "at indices of axis 0 that input 1 names more than once" in found.words


def test_elements_whose_input_has_a_tie():
    x = np.arange(20.0).reshape(5, 4) + 1
    x[[0, 2, 4], [1, 3, 0]] = 9
    found = explained(np.where(x == 9, 0.5, 1) * R, R, inputs=(x,))
    assert "where the input has a value more than once; there it is 0.5 times" in found.words


# --- accidents: what a single number, a constant or a symmetry can't tell


@pytest.mark.parametrize("c", [0.5, 3.0, 0.1234])
def test_of_one_number_only_the_ratio_is_said(c):
    found = explained(np.array(c * 0.7), 0.7)
    assert found.kind == "factor" and "one number, too little to tell why" in found.words
    one_hot = changed(np.zeros((5, 4)), (2, 1), 0.7)
    assert explained(c * one_hot, one_hot).words == f"the claimed gradient is {found.words[24:]}"


def test_a_symmetric_gradient_is_not_transposed_and_a_constant_one_not_moved():
    square = R[:4] + R[:4].T
    assert explained(np.cbrt(square).T, square).kind == "unknown"
    hot, moved = np.zeros((5, 4)), np.zeros((5, 4))
    hot[1, 2], moved[2, 2] = 1, 1
    assert explained(moved, hot).kind not in {"shifted", "flipped", "transposed", "permuted_axes"}
    assert explained(np.ones((4, 5)), np.ones((5, 4))).kind == "reshaped"
    assert explained(np.ones((4, 4)), np.ones((5, 4))).kind == "shape"


def test_an_array_with_two_values_is_not_fitted_by_a_free_coefficient():
    wide = np.repeat([[1.0], [2.5]], 4, axis=1)
    right = R[:2] / 7
    claimed = right + np.repeat([[0.37], [0.37 * 2.5]], 4, axis=1)
    found = explained(claimed, right, inputs=(wide,), output=wide * 0, g=R[2:4])
    assert found.kind == "unknown"


def test_three_elements_are_too_few_for_a_term():
    assert explained(R[0, :3] + 0.3, R[0, :3]).kind == "unknown"


def test_an_error_as_small_as_the_tolerance_is_not_explained_by_what_hides_it():
    off = R + 1.5e-6 * np.abs(R).max() * np.sin(np.arange(20)).reshape(R.shape)
    assert explained(off).kind == "unknown"
    assert explained(R, R.astype(float), noise=np.abs(R).max()).kind == "agrees"
    noisy = R + 1e-3 * np.random.default_rng(9).uniform(-1, 1, R.shape)
    assert explained(2.5 * noisy + G, R, noise=1e-3).kind == "unknown"


def test_a_condition_on_few_elements_is_not_named():
    x = np.array([1.0, -2.0, 3.0, 4.0, 5.0])
    right = np.array([0.3, 0.9, -0.4, 0.8, 0.6])
    found = explained(changed(right, 1, 5.0), right, inputs=(x,), output=x**2, g=right)
    assert found.kind == "elements" and "negative" not in found.words


def test_a_whole_gradient_without_elements_agrees():
    assert explained(np.zeros((0, 4)), np.zeros((0, 4))).kind == "agrees"
    assert explained(np.zeros((0, 4)), R).kind == "shape"


def test_nothing_is_changed_and_the_words_are_a_sentence():
    arrays = [R.copy(), X.copy(), G.copy()]
    for a in arrays:
        a.flags.writeable = False
    found = explained(2.2 * arrays[0] + arrays[2], arrays[0], inputs=(arrays[1],), g=arrays[2])
    assert isinstance(found, Explanation)
    assert found.words and not found.words.endswith(".")


def test_a_ratio_of_small_numbers_is_not_taken_for_one_of_lengths():
    for c, side in ((2 / 3, 3), (3 / 2, 3), (3 / 4, 4), (5 / 4, 5)):
        right = np.random.default_rng(side).normal(size=(2, side))
        found = explained(c * right, right, output=right, g=right)
        assert found.kind == "factor" and found.words.endswith("the right one, everywhere"), found
