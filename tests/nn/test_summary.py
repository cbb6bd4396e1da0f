"""Summaries: shapes, counts, and what is needed for them."""

import numpy as np
import pytest

from minigan import nn


def test_a_nested_model_shows_names_shapes_and_counts():
    model = nn.Sequential(
        nn.Dense(4), nn.BatchNorm(), nn.Sequential(nn.Tanh(), nn.Reshape(2, 2, 1), nn.Flatten())
    )
    lines = model.build((None, 3)).summary().splitlines()
    rows = [line.split("  ") for line in lines[2:-2]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["0 Dense", "(None, 4)", "16"],
        ["1 BatchNorm", "(None, 4)", "16"],
        ["2.0 Tanh", "(None, 4)", "0"],
        ["2.1 Reshape", "(None, 2, 2, 1)", "0"],
        ["2.2 Flatten", "(None, 4)", "0"],
    ]
    assert lines[0].split() == ["layer", "output", "shape", "parameters"]
    assert set(lines[1]) == set(lines[-2]) == {"-"}
    assert lines[-1] == "24 trained parameters, 8 kept statistics"


def test_large_counts_have_separators():
    text = nn.Dense(1000).build((None, 1000)).summary()
    assert text.splitlines()[-1] == "1,001,000 trained parameters"


def test_a_shared_layer_counts_once():
    layer = nn.Dense(3)
    text = nn.Sequential(layer, layer).build((None, 3)).summary()
    assert text.count("Dense") == 1
    assert text.endswith("12 trained parameters")


def test_a_modules_own_parameters_have_a_row():
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(np.ones(3, "f4"))
            self.inner = nn.Dense(2)

        def forward(self, x):
            return self.inner(x * self.scale)

    lines = Scaled().build((None, 3)).summary().splitlines()
    assert lines[2].split() == ["Scaled", "(None,", "2)", "3"]
    assert lines[3].split() == ["inner", "Dense", "(None,", "2)", "8"]


def test_with_a_shape_an_unbuilt_model_is_shown_and_stays_unbuilt():
    model = nn.Sequential(nn.Dense(4))
    assert "16" in model.summary((None, 3))
    assert not model.built  # looking at a model must not draw its weights


def test_a_shape_given_replaces_the_remembered_one():
    model = nn.Sequential(nn.Conv2D(2, 3)).build((None, 8, 8, 1))
    assert "(None, 6, 6, 2)" in model.summary()
    assert "(None, 3, 3, 2)" in model.summary((None, 5, 5, 1))


def test_without_any_shape_the_error_names_both_ways():
    with pytest.raises(RuntimeError, match=r"build\(input_shape\).*summary\(\(None, 100\)\)"):
        nn.Sequential(nn.Dense(4)).summary()


def test_inputs_of_integers_are_remembered():
    class Conditional(nn.Module):
        def __init__(self):
            self.embedding = nn.Embedding(4, 3)

        def forward(self, noise, ids):
            return self.embedding(ids) + noise

    model = Conditional()
    model(np.zeros((2, 3), "f4"), np.array([0, 3]))
    assert "(None, 3)" in model.summary()
    assert "(None, 3)" in model.to("float64").summary()


def test_a_summary_changes_neither_mode_nor_state():
    model = nn.Sequential(nn.Dense(2), nn.BatchNorm(), nn.Dropout(0.5)).build((None, 3))
    before = model.state_dict()
    model.summary()
    assert model.training
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
