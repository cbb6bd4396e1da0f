"""The quality benchmark: figures in bounds, the interface of its commands, its metrics command."""

from __future__ import annotations

import importlib
import json
import math

import pytest

from benchmarks.quality import COMMANDS, Figure, metrics
from benchmarks.quality.__main__ import main


@pytest.mark.parametrize(
    "bounds, value, passed, wanted",
    [
        ({}, 3.0, True, ""),
        ({}, math.nan, True, ""),
        ({"least": 2}, 2.0, True, "at least 2"),
        ({"least": 2}, 1.9, False, "at least 2"),
        ({"most": 2}, 2.1, False, "at most 2"),
        ({"least": 1, "most": 2}, 1.5, True, "1 to 2"),
        ({"least": 1}, math.nan, False, "at least 1"),
    ],
)
def test_a_figure_and_its_bounds(bounds, value, passed, wanted):
    figure = Figure("x", value, **bounds)
    assert (figure.passed, figure.wanted) == (passed, wanted)
    assert ("FALLS SHORT" in str(figure)) == (not passed)
    assert json.loads(json.dumps(figure.as_json(), allow_nan=False))["passed"] == passed


def test_a_figure_shows_what_it_is_compared_with():
    figure = Figure("modes", 7.9, least=7, published="8", protocol="2,500 samples", error=0.1)
    assert str(figure) == "modes: 7.9 ± 0.1 [published 8; wanted at least 7; 2,500 samples]"


def test_every_command_has_the_interface():
    for name in COMMANDS:
        module = importlib.import_module(f"benchmarks.quality.{name}")
        assert module.__doc__ and callable(module.add_arguments) and callable(module.run)


@pytest.mark.parametrize("value, status", [(1.0, 0), (3.0, 1)])
def test_one_figure_that_falls_short_decides(monkeypatch, capsys, tmp_path, value, status):
    figures = [Figure("good", 1.0, most=2), Figure("judged", value, most=2)]
    monkeypatch.setattr(metrics, "run", lambda asked: iter(figures))
    assert main(["metrics", "--json", str(tmp_path / "out.json")]) == status
    assert capsys.readouterr().out.splitlines() == [str(figure) for figure in figures]
    found = json.loads((tmp_path / "out.json").read_text())
    assert [row["value"] for row in found] == [1.0, value]


def test_the_metrics_are_right():
    found = [metrics.against_loops(), *metrics.direction(), *metrics.frechet(), metrics.kernel()]
    assert len(found) == 7
    assert all(figure.passed for figure in found), [str(figure) for figure in found]
