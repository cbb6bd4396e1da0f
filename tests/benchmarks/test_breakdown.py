"""The parts of a step are all that it does, and floors are what can be counted by hand."""

import json

import numpy as np
import pytest

from benchmarks import breakdown, ours
from benchmarks import networks as n
from benchmarks.workloads import dcgan28


@pytest.fixture(autouse=True)
def known_rates(monkeypatch):
    """A nanosecond for a multiplication, a microsecond for a byte."""
    monkeypatch.setattr(breakdown, "seconds_of_product", lambda count: 1e-9 * count)
    monkeypatch.setattr(breakdown, "seconds_of_copy", lambda count: 1e-6 * count)


def small():
    return dcgan28(batch=2, width=1 / 16)


def test_every_layer_has_its_passes_and_every_player_its_update():
    workload = small()
    parts, whole = breakdown.breakdown(workload, rounds=1)
    assert whole > 0 and all(p.ms > 0 for p in parts)
    calls = {}
    for p in parts:
        calls.setdefault((p.network, p.part), set()).add(p.calls)
    assert calls == {
        ("generator", "forward"): {1},
        ("generator", "backward"): {1},
        ("generator", "update"): {1},
        ("discriminator", "forward"): {2},
        ("discriminator", "backward"): {2},
        ("discriminator", "backward to input"): {1},
        ("discriminator", "update"): {1},
    }
    layers = (*workload.generator, *workload.discriminator)
    for part in ("forward", "backward"):
        names = [p.layer.split()[1] for p in parts if p.part == part]
        assert names == [type(layer).__name__ for layer in layers]


def test_layers_alone_have_the_networks_maps():
    workload = small()
    made = ours.network(workload.generator, (workload.latent,), workload.weights()[0])
    alone = list(breakdown.through(made, workload.draws(0)))
    assert [a.first for a in alone] == [True] + [False] * (len(alone) - 1)
    np.testing.assert_allclose(alone[-1].y, made(workload.draws(0)).numpy(), rtol=1e-5, atol=1e-6)
    assert all(a.g.shape == a.y.shape and a.g.strides == a.y.strides for a in alone)


def test_multiplications_are_those_of_the_definition_or_fewer():
    dense = breakdown.multiplications(n.Dense(5), (3,), (5,), 2)
    assert dense == 2 * 3 * 5
    one_tap = breakdown.multiplications(n.Conv(16, 1), (4, 4, 8), (4, 4, 16), 2)
    assert one_tap == 2 * 4 * 4 * 8 * 16
    definition = 2 * 14 * 14 * 25 * 64 * 128
    conv = breakdown.multiplications(n.Conv(128, 5), (14, 14, 64), (14, 14, 128), 2)
    turned = breakdown.multiplications(n.ConvTransposed(64, 5), (14, 14, 128), (14, 14, 64), 2)
    assert conv == turned < definition
    assert breakdown.multiplications(n.ReLU(), (4, 4, 8), (4, 4, 8), 2) == 0


def test_a_floor_is_the_larger_of_arithmetic_and_memory():
    assert breakdown.floor(1000, 0) == (pytest.approx(1e-6), "arithmetic")
    assert breakdown.floor(1, 1000) == (pytest.approx(1e-3), "memory")
    layer = n.Dense(5, bias=False)
    x = np.ones((2, 3), "float32")
    made = ours.network((layer,), (3,), [{"weight": np.ones((3, 5), "float32")}])
    first = breakdown.Alone(made.layers[0], x, first=True)
    maps, weights = (2 * 3 + 2 * 5) * 4, 3 * 5 * 4
    assert first.floor("forward", layer)[0] == pytest.approx(1e-6 * (maps + weights))
    assert first.floor("backward", layer)[0] == pytest.approx(1e-6 * (maps + 2 * weights))
    inner = breakdown.Alone(made.layers[0], x, first=False)
    more = 2 * 3 * 4  # the gradient of x is written too
    assert inner.floor("backward", layer)[0] == pytest.approx(1e-6 * (maps + 2 * weights + more))
    assert inner.floor("backward", n.Reshape(1, 1, 5)) == (0, "memory")


def test_the_command_prints_a_table_and_writes_json(monkeypatch, tmp_path, capsys):
    path = tmp_path / "parts.json"
    monkeypatch.setattr(breakdown, "dcgan28", lambda batch: dcgan28(batch, width=1 / 16))
    monkeypatch.setattr("sys.argv", f"breakdown --batch 2 --rounds 1 --json {path}".split())
    breakdown.main()
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(path.read_text())
    assert len(lines) == 1 + len(found["parts"]) + 3
    total = sum(part["ms"] for part in found["parts"])
    assert lines[-3].split()[:3] == ["all", "parts", f"{total:.2f}"]
    assert float(lines[-2].split()[1]) == pytest.approx(found["whole_ms"] - total, abs=0.01)


def test_numbers_of_rounds_that_make_no_sense_are_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["breakdown", "--rounds", "0"])
    with pytest.raises(SystemExit):
        breakdown.main()
    assert "--rounds: got 0, wanted at least 1" in capsys.readouterr().err
