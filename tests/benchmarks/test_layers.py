"""Single layers, what grows, and the table of prices that calibration writes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibrate, growth, layers, ours
from benchmarks.comparison import Row
from minigan.kernels import choice


@pytest.mark.parametrize("name", layers.LAYERS)
def test_a_step_of_a_layer_is_its_result_and_all_gradients(name):
    workload = dataclasses.replace(layers.LAYERS[name], batch=2)
    runner = ours.build(workload, workload.weights(), ours.variants(workload)[0])
    placed = runner.place(workload.data(0))
    if workload.step == "optimizer":
        before = [p.numpy() for p in runner.network.parameters()]
        runner.step(placed)
        after = [p.numpy() for p in runner.network.parameters()]
        assert all((a != b).all() for a, b in zip(before, after, strict=True))
        return
    y, of_x, *rest = runner.step(placed)
    x, g = workload.data(0)
    assert np.array_equal(placed[0].numpy(), x) and np.array_equal(placed[1], g)
    assert y.shape == g.shape and of_x.shape == x.shape
    assert [p.shape for p in rest] == [p.shape for p in runner.network.parameters()]
    assert np.isfinite(runner.figures((y, of_x, *rest))).all()


def test_layers_are_timed_in_training():
    workload = dataclasses.replace(layers.LAYERS["dropout"], batch=2)
    runner = ours.build(workload, workload.weights(), "grad")
    y, *_ = runner.step(runner.place(workload.data(0)))
    assert 0.2 < np.mean(y.numpy() == 0) < 0.4


def test_what_grows_is_in_the_name():
    found = growth.series(["side", "depth"])
    assert [w.name for w in found[:3]] == ["side 14", "side 28", "side 56"]
    assert [w.image[0] for w in found[:3]] == [14, 28, 56]
    assert [len(w.generator) for w in found[3:]] == [2 * k + 1 for k in (1, 2, 4, 8, 16)]
    assert [w.batch for w in growth.series(["batch"])] == [16, 32, 64, 128, 256]


def test_growth_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    fields = dict.fromkeys((f.name for f in dataclasses.fields(Row)), 1.0) | {"peer": "torch"}
    rows = [
        Row(**{**fields, "workload": w.name, "ours_ms": k + 1.0})
        for k, w in enumerate(growth.series(list(growth.SERIES)))
    ]
    growth.plot(rows, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_calibration_writes_its_table_into_the_source_and_nothing_else():
    source = Path(choice.__file__).read_text(encoding="utf-8")
    table = {"float32": {"convolve": {"direct": (1.0, 2.0, 3.0, 4.0)}}}
    found = calibrate.written(source, table)
    space: dict[str, object] = {
        "__name__": "minigan.kernels.choice",
        "__package__": "minigan.kernels",
    }
    exec(compile(found, "choice.py", "exec"), space)
    assert space["PRICES"] == table
    assert calibrate.written(found, choice.PRICES).count("\n") >= found.count("\n")
    assert set(space) - {"__builtins__"} <= set(vars(choice))
    with pytest.raises(ValueError, match="no table of prices"):
        calibrate.written("nothing", table)
