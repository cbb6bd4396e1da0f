"""``minigan gradcheck``: its tables, its exit status, its JSON, and users' own code."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import minigan as mg
from minigan.cli import gradcheck as module
from minigan.kernels import windows
from minigan.testing.registry import coverage, running

WRONG = mg.primitive(lambda x: x**3, lambda g, x: 2 * x**2 * g, name="wrong")

MINE = """
import numpy as np
import minigan as mg
from minigan import nn
from minigan.testing.registry import Case

def product(x, w):
    return mg.tanh(x @ w)

cube = mg.primitive(lambda x: x**3, lambda g, x: 2 * x**2 * g, name="cube")
case = Case(mg.sin, [np.array([0.3, 1.2])], {"why": {1, 1}})
critic = nn.Sequential(nn.Dense(3), nn.Softplus(), nn.Dense(1))

def broken(x):
    return helper(x)

def helper(x):
    return mg.reshape(x, (7, 7))

def cases(rng):
    return Case(mg.exp, [rng.normal(size=(2, 3))], {"kind": "plain"})
"""


@pytest.fixture
def mine(command, tmp_path, monkeypatch):
    """A module of the user's in the folder where the command is called."""
    (tmp_path / "my_gradients.py").write_text(MINE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_gradients", raising=False)
    yield command
    sys.modules.pop("my_gradients", None)


def check_all(command, *arguments):
    return command("gradcheck", "--all", "--jobs", 1, "--seeds", 2, *arguments)


# Over the registry


def test_all_entries_that_pass(command, small):
    result = check_all(command, "--order", 2)
    assert result.status == 0, result.out
    lines = result.out.splitlines()
    assert lines[0].split() == ["entry", "cases", "elements", "order", "worst", "ms", "a", "case"]
    assert lines[1].split()[:2] == ["conv2d", "2"] and "passed" in lines[1]
    assert any(line.startswith("conv2d  stride ") and "padding" in line for line in lines)
    assert "kernels reached: 11 of 11" in lines
    assert ["convolution.convolve", "by", "conv2d"] in [line.split() for line in lines]
    assert "have 24 elements or more" in lines[-2]
    assert lines[-1].startswith("2 entries, 4 checks to order 2 in ")
    assert lines[-1].endswith(": 4 passed")


def test_progress_goes_to_standard_error(command, small):
    result = check_all(command)
    assert "4/4" in result.err and "4/4" not in result.out


def test_progress_without_tqdm(command, small, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert check_all(command).err.splitlines()[-1] == "4 of 4 checks"


@pytest.mark.parametrize(
    ("function", "status", "words"),
    [
        (WRONG, "failed", "0.66666667 times the right one"),
        (lambda x: mg.batch_norm(x, np.ones(2), np.ones(2), 1e-12).sum(), "vacuous", "noise"),
        (lambda x: mg.absolute(x - 0.5), "inconclusive", "input 0"),
        (lambda x: x.nothing, "error", "AttributeError"),
    ],
)
def test_a_plant_fails_the_run_and_is_told_in_full(command, small, function, status, words):
    small(function)
    result = check_all(command)
    assert result.status == 1
    seed = 0 if status == "error" else 1  # the same error of another seed is only counted
    block = result.out[result.out.index(f"planted, seed {seed}, order 1: " + status) :]
    assert ("    and 1 more alike\n" in block) == (status == "error")
    assert words in block
    assert "inputs: (2, 2)" in block
    assert "settings: planted=true, axis=null" in block
    assert f"again with: minigan gradcheck planted --seed {seed} --order 1\n" in block
    assert result.out.splitlines()[-1].endswith(f": 4 passed, 2 {status}")
    again = command(*block.split("again with: minigan ")[1].splitlines()[0].split(), "--jobs", 1)
    assert again.status == 1
    assert f"planted, seed {seed}, order 1: {status}" in again.out


def test_a_missing_entry_fails_the_run(command, small, monkeypatch):
    monkeypatch.setattr(coverage, "expected", lambda: ["conv2d", "sinh", "tanh"])
    result = check_all(command)
    assert result.status == 1
    assert "no entry for: sinh" in result.out


def test_an_unreached_kernel_fails_the_run(command, small, monkeypatch):
    namespace = {"__name__": windows.__name__}
    exec("def unused(x):\n    return x", namespace)
    monkeypatch.setattr(windows, "unused", namespace["unused"], raising=False)
    result = check_all(command)
    assert result.status == 1
    assert "no entry reaches the kernels: windows.unused; more seeds may" in result.out
    assert "kernels reached: 11 of 12" in result.out


def test_single_entries(command):
    result = command("gradcheck", "tanh", "Dense", "--seed", 3, "--order", 2, "--jobs", 1)
    assert result.status == 0
    assert [line.split()[0] for line in result.out.splitlines()[1:3]] == ["tanh", "Dense"]
    assert "kernels" not in result.out
    assert "2 entries, 2 checks to order 2" in result.out


def test_json_has_everything(command, small, tmp_path):
    small(WRONG)
    result = check_all(command, "--json", "found.json", "--order", 2)
    assert result.status == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["format"] == "minigan.gradcheck/1"
    assert found["passed"] is False and found["complete"] is True
    assert found["counts"] == {"passed": 4, "failed": 2}
    assert found["missing"] == found["unreached"] == []
    assert found["kernels"]["windows.view"] == ["conv2d"]
    assert [e["name"] for e in found["entries"]] == ["conv2d", "planted", "tanh"]
    assert found["coverage"]["conv2d"]["stride"]["values"] >= 1
    one = next(r for r in found["results"] if r["name"] == "planted")
    assert one["status"] == "failed" and "times the right one" in one["message"]
    assert (one["seed"], one["order"], one["shapes"]) == (0, 2, [[2, 2]])
    assert one["settings"] == {"planted": True, "axis": None} and one["elements"] == 4
    assert [p.name for p in tmp_path.iterdir()] == ["found.json"]


def test_an_interrupt_gives_130(command, monkeypatch):
    def interrupt(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "check_gradients", interrupt)
    result = command("gradcheck", "tanh", "--jobs", 1)
    assert (result.status, result.out) == (130, "")
    assert result.err.endswith("minigan: stopped\n")


# Users' own code


@pytest.mark.parametrize(
    "arguments",
    [
        "my_gradients:product --input 2x3 --input 3x4",
        "my_gradients:case",
        "my_gradients:cases",
        "my_gradients:critic --input 4x2",
        "my_gradients:product tanh --input=2x3 --input=3x4",
        "minigan:tanh --input scalar",
    ],
)
def test_a_users_object_that_passes(mine, arguments):
    result = mine("gradcheck", *arguments.split(), "--seeds", 2, "--order", 2, "--jobs", 1)
    assert result.status == 0, result.out + result.err
    assert "2 passed" in result.out or "4 passed" in result.out


def test_a_users_object_on_several_processes(mine):
    arguments = "my_gradients:product --input 2x3 --input 3x4 --seeds 2 --jobs 2"
    result = mine("gradcheck", *arguments.split())
    assert result.status == 0, result.out + result.err


def test_a_users_wrong_gradient(mine):
    result = mine("gradcheck", "my_gradients:cube", "--input", "2x3", "--seed", 5, "--jobs", 1)
    assert result.status == 1
    command = "again with: minigan gradcheck my_gradients:cube --input=2x3 --seed 5 --order 1"
    assert command in result.out


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", ["--all", "package.module:object"]),
        ("--all tanh", ["--all", "names"]),
        ("conv2", ["unknown entry 'conv2'", "'conv2d'", "package.module:object"]),
        ("tanh --input 2x3", ["--input", "package.module:object"]),
        ("minigan:tanh --input 2y3", ["--input", "'2y3'", "2x3"]),
        ("minigan:tanh --input -2x3", ["--input"]),
        ("tanh --order 3", ["--order", "3", "1, 2"]),
        ("tanh --seeds 0", ["--seeds", "'0'", "at least 1"]),
        ("tanh --seeds 2 --seed 1", ["--seed", "--seeds"]),
        ("tanh --jobs 0", ["--jobs", "'0'", "at least 1"]),
        ("tanh --json nowhere/found.json", ["--json", "'nowhere/found.json'"]),
        ("tanh --json .", ["--json", "'.'"]),
        ("minigan:tahn", ["minigan has no 'tahn'", "'tanh'"]),
        ("minigen:tanh", ["no module 'minigen'", "'minigan'"]),
        ("minigan:", ["'minigan:'", "package.module:object"]),
        ("minigan:matmul", ["minigan:matmul(a", "--input 2x3"]),
        ("minigan:matmul --input 2x3", ["1 input", "--input"]),
        ("minigan:__version__", ["str", "wanted a Case"]),
        ("minigan.nn:Dense", ["units", "name an instance"]),
    ],
)
def test_a_mistake_is_told_in_one_line(command, tmp_path, arguments, words):
    result = command("gradcheck", *arguments.split())
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("minigan: ") and len(result.err.splitlines()) == 1
    for word in words:
        assert word in result.err
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_told_once_and_with_the_frames_of_the_users_code(mine):
    result = mine("gradcheck", "my_gradients:broken", "--input", "2x3", "--jobs", 1)
    assert result.status == 1
    assert result.out.count("Traceback") == 1 and "    and 9 more alike\n" in result.out
    frames = [line for line in result.out.splitlines() if 'File "' in line]
    assert len(frames) == 2 and all("my_gradients.py" in line for line in frames)
    assert result.out.splitlines()[-1].endswith(": 10 error")


def test_the_verdict_is_told_also_where_the_file_fails(command, small, monkeypatch):
    def failing(path, text):
        raise OSError("cannot write 'all.json': no space left on the disk")

    monkeypatch.setattr(module, "write_text", failing)
    result = command("gradcheck", "tanh", "--json", "all.json", "--seeds", 1, "--jobs", 1)
    assert result.status == 2 and "no space left" in result.err
    assert "1 passed" in result.out


def test_names_beside_all_are_one_too_many(command):
    result = command("gradcheck", "tanh", "--all")
    assert result.status == 2 and "or --all, not both" in result.err


def test_a_file_for_a_module_is_told(command, tmp_path):
    (tmp_path / "layers.py").write_text("def f(x):\n    return x * x\n")
    result = command("gradcheck", "layers.py:f", "--input", "2")
    assert result.status == 2 and "a module has no ending: layers" in result.err
