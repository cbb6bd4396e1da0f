"""From times to figures."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.comparison import ParityError, Row, disagreement, quotient, table, timing

ROW = Row(
    workload="ring",
    batch=512,
    ours="gan.Trainer",
    peer="torch",
    variant="nchw joined",
    device="cpu",
    precision="ieee",
    threads=2,
    clock="wall",
    blocks=10,
    steps=50,
    ratio=0.5,
    spread=(0.45, 0.55),
    ours_ms=2.0,
    peer_ms=4.0,
    ours_images_per_s=256000.0,
    peer_images_per_s=128000.0,
    ours_memory_mb=10.0,
    peer_memory_mb=20.0,
    memory_ratio=0.5,
    parity=2e-7,
    machine="a machine, 2 cores",
    versions={"numpy": "2.4"},
)


def test_ratio_is_of_medians_over_all_steps():
    found = timing([[1.0, 2.0, 9.0], [3.0, 2.0, 2.0]], [[4.0, 4.0, 5.0], [4.0, 3.0, 90.0]])
    assert found.ratio == 0.5
    assert (found.ours_ms, found.peer_ms) == (2000, 4000)


def test_spread_is_the_quartiles_of_paired_blocks():
    ours = [[1.0], [2.0], [3.0], [4.0], [5.0]]
    found = timing(ours, [[1.0], [1.0], [1.0], [1.0], [1.0]])
    assert found.spread == (2.0, 4.0)


def test_a_drift_that_both_sides_share_does_not_widen_the_spread():
    ours = [[1.0], [2.0], [8.0]]
    assert timing(ours, [[2 * t for t in block] for block in ours]).spread == (0.5, 0.5)


def test_disagreement_is_relative_above_one_and_absolute_below():
    theirs = np.array([[0.5, 100.0]])
    assert disagreement(theirs + [[1e-4, 0]], theirs) == pytest.approx(1e-4)
    assert disagreement(theirs + [[0, 1e-2]], theirs) == pytest.approx(1e-4)


@pytest.mark.parametrize("wrong", [1.002, np.nan, np.inf])
def test_disagreement_names_the_first_step_that_is_off(wrong):
    theirs = np.ones((5, 2))
    ours = theirs.copy()
    ours[3:, 1] = wrong
    with pytest.raises(ParityError, match=r"step 4: ours 1 .*, the peer 1 1, wanted within 0.001"):
        disagreement(ours, theirs)


def test_figures_of_another_shape_are_no_agreement():
    with pytest.raises(ParityError, match=r"\(3, 1\).*\(3, 2\)"):
        disagreement(np.ones((3, 1)), np.ones((3, 2)))


def test_quotient_needs_both():
    assert quotient(1.0, 2.0) == 0.5
    assert quotient(None, 2.0) is quotient(1.0, None) is quotient(1.0, 0.0) is None


def test_table_lines_up_and_ends_with_a_geometric_mean_for_each_peer():
    other = dataclasses.replace(
        ROW, workload="dcgan28-color", ratio=2.0, peer_memory_mb=None, memory_ratio=None
    )
    lines = table([ROW, other, dataclasses.replace(ROW, peer="jax", ratio=0.25)]).splitlines()
    head, first, second = lines[:3]
    assert first.index("nchw") == second.index("nchw") > head.index("peer")
    at = head.index("ratio") + len("ratio")
    assert first[:at].endswith(" 0.500") and second[:at].endswith(" 2.000")
    assert "0.450-0.550" in first
    assert " - " in second and " - " not in first
    assert lines[-2:] == [
        "geometric mean of 2 against torch: 1.000",
        "geometric mean of 1 against jax: 0.250",
    ]


def test_a_row_is_ready_for_json():
    read = json.loads(json.dumps(ROW.as_json()))
    assert read["spread"] == [0.45, 0.55] and read["versions"] == {"numpy": "2.4"}
    asked = {"workload", "batch", "peer", "ratio", "ours_ms", "peer_ms", "memory_ratio"}
    assert asked <= read.keys()
