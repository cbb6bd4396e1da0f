"""The planting of errors: what is found, what is changed, and that a change is seen."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutation.checking import Tracer
from mutation.mutators import mutants
from mutation.planting import Helpers, Planter
from mutation.regions import Region, Survey
from mutation.scope import Scope

import minigan as mg

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def survey() -> Survey:
    return Survey(ROOT)


def region(source: str, *tensors: str, returns: str = "tensor") -> Region:
    """A region of the given source: one lambda, or one function."""
    node = ast.parse(source).body[0]
    node = node.value if isinstance(node, ast.Expr) else node
    return Region("minigan/ops/made_up.py", "made_up", node, frozenset(tensors), returns)


def changes(found: Region) -> dict[str, set[str]]:
    """The sources that take an expression's place, by the kind of change."""
    made: dict[str, set[str]] = {}
    for mutant in mutants(found):
        made.setdefault(mutant.kind, set()).add(f"{mutant.before} → {mutant.after}")
    return made


# Where backward code is


def test_gradients_helpers_kernels_and_the_tape_are_found(survey):
    found = {(r.path.removeprefix("minigan/"), r.name) for r in survey.regions}
    assert found >= {
        ("ops/arithmetic.py", "gradient 0 of multiply"),
        ("ops/arithmetic.py", "gradient 1 of multiply"),
        ("ops/activation.py", "gradient of tanh"),
        ("ops/activation.py", "_gelu_gradient"),
        ("ops/activation.py", "gated"),
        ("ops/arithmetic.py", "_share"),
        ("ops/joining.py", "_pieces"),
        ("ops/linear.py", "_einsum_one"),
        ("ops/normalization.py", "_normalize_composed"),
        ("ops/pooling.py", "_unpick"),
        ("ops/reduction.py", "_spread"),
        ("kernels/convolution.py", "input_gradient"),
        ("kernels/convolution.py", "weight_gradient"),
        ("kernels/windows.py", "scatter"),
        ("autograd.py", "_accumulate"),
        ("primitives.py", "sum_to"),
        ("tape.py", "Primitive.gradients"),
        ("primitives.py", "gradient of _CAST"),
    }


def test_public_forwards_are_not_backward_code(survey):
    names = {r.name for r in survey.regions}
    assert not names & {"tanh", "softmax", "multiply", "conv2d", "max_pool2d", "where"}


def test_every_gradient_that_a_primitive_is_given_is_a_region(survey):
    lambdas = {r.node for r in survey.regions}
    makers = {"vjp", "elementwise"}
    for module in survey.modules.values():
        if not module.path.startswith("minigan/ops/"):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in makers:
                given = [a for a in node.args if isinstance(a, ast.Lambda)]
                assert set(given) <= lambdas


def test_there_are_at_least_500_mutants_and_none_twice(survey):
    found = [mutant for r in survey.regions for mutant in mutants(r)]
    keys = {(id(m.old), m.after) for m in found}
    assert len(found) == len(keys) >= 500
    assert all(m.before != m.after for m in found)


def test_every_gradient_has_a_wrong_factor_a_wrong_sign_and_none(survey):
    for found in survey.regions:
        if isinstance(found.node, ast.Lambda):
            assert {"wrong factor", "wrong sign", "no gradient"} <= set(changes(found))


# What is changed in it


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("wrong factor", "lambda g, x: g * x", "g * x → g * x * 2.0"),
        ("wrong sign", "lambda g, x: g * x", "g * x → -(g * x)"),
        ("no gradient", "lambda g, x: g * x", "g * x → None"),
        ("precision lost", "lambda g, x: g", "g → _mutation.rounded(g)"),
        ("tensor frozen", "lambda g, x: g * x", "x → _mutation.frozen(x)"),
        ("factor dropped", "lambda g, x: g * x", "g * x → g"),
        ("factor dropped", "lambda g, x: g / x", "g / x → 1.0 / x"),
        ("term dropped", "lambda g, x: g - x", "g - x → -x"),
        ("other operator", "lambda g, x: g + x", "g + x → g - x"),
        ("other operator", "lambda g, x: g * x", "g * x → g / x"),
        ("operands swapped", "lambda g, x: g - x", "g - x → x - g"),
        ("transposed", "lambda g, x: g @ x", "g @ x → g @ x.T"),
        ("transpose dropped", "lambda g, x: g @ x.T", "x.T → x"),
        ("sign flipped", "lambda g, x: -g", "-g → g"),
        ("off by one", "lambda g, x: g[1:3]", "3 → 4"),
        ("off by one", "lambda g, n: g[:n]", ":n → :n + 1"),
        ("wrong number", "lambda g: g * 0.5", "0.5 → 1.0"),
        ("wrong number", "lambda g: g * 0.0", "0.0 → 1.0"),
        ("other flag", "lambda g: mean(g, keepdims=True)", "True → False"),
        ("all axes", "lambda g, axis: mean(g, axis)", "axis → None"),
        ("call skipped", "lambda g: sum_to(g, shape)", "sum_to(g, shape) → g"),
        ("arguments swapped", "lambda g, x: f(g, x)", "f(g, x) → f(x, g)"),
        ("other function", "lambda g, x: maximum(g, x)", "maximum(g, x) → minimum(g, x)"),
        ("other comparison", "lambda g, x: where(x > 0, g, 0.0)", "x > 0 → x >= 0"),
        ("condition negated", "lambda g, p: g if p else g * 2", "p → not p"),
        ("branch is zero", "lambda g, p: g if p else g * 2", "g → g * 0.0"),
    ],
)
def test_what_is_planted_in_a_gradient(kind, source, expected):
    assert expected in changes(region(source, "g", "x"))[kind]


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("assigned, not added", "total += x", "total += x → total = x"),
        ("assigned, not added", "xp.add.at(r, i, x)", "xp.add.at(r, i, x) → r[i] = x"),
        ("statement dropped", "pending[node] = x", "pending[node] = x → pass"),
        ("statement dropped", "seen.append(x)", "seen.append(x) → pass"),
        ("condition dropped", "while a and b: pass", "a and b → a"),
        ("other connective", "while a and b: pass", "a and b → a or b"),
        ("off by one", "y = [0 for i in range(n)]", "range(n) → range(n + -1)"),
    ],
)
def test_what_is_planted_in_statements(kind, line, expected):
    assert expected in changes(region(f"def f(x):\n    {line}", "x"))[kind]


def test_sums_of_gradients_lose_either_term():
    found = changes(region("def f(old, g):\n    pending[node] = add(old, g)", "g"))
    assert {"add(old, g) → old", "add(old, g) → g"} <= found["call skipped"]


def test_errors_texts_and_docstrings_are_left_alone():
    source = 'def f(x):\n    "Twice 2."\n    raise ValueError(f"got {1 + 1}")'
    assert not mutants(region(source, "x"))


def test_names_that_hold_tensors_are_followed_through_assignments():
    source = "def f(g):\n    scaled = g * 2\n    n = len(g)\n    shape = g.shape\n    return scaled"
    assert Scope(region(source, "g")).names == {"g", "scaled"}


def test_frozen_values_are_off_the_tape_and_rounded_ones_lose_digits():
    x = mg.Tensor([1 / 3], requires_grad=True)
    assert Helpers.frozen(x).numpy() == x.numpy() and not Helpers.frozen(x).requires_grad
    rounded = Helpers.rounded(x)
    assert rounded.dtype == x.dtype and rounded.requires_grad
    assert 0 < abs(rounded.numpy() - x.numpy())[0] < 1e-7


# That a change is seen


JUDGING = """
import sys
from pathlib import Path
from mutation import bits, checking
from mutation.judging import with_bench
from mutation.mutators import mutants
from mutation.regions import Survey

root, *asked = Path(sys.argv[1]), *sys.argv[2:]
bits.INPUTS, checking.TESTS = 20, ("tests/kernels/test_windows.py",)
survey = Survey(root)

def judge(bench):
    for name, kind, killer in (each.split("; ") for each in asked):
        found = [m for r in survey.regions if r.name == name for m in mutants(r) if m.kind == kind]
        case, lines = checking.draw(killer, 0), {found[0].path: frozenset(found[0].lines)}
        check = checking.Check(killer, None) if "::" in killer else case
        bench.checks, bench.killers = [check._replace(lines=lines)], {}
        verdict = bench.judge(found[0])
        print(verdict.outcome, verdict.reason, sep=": ")

with_bench(root, survey, judge)
"""
SEEN = {
    "gradient of tanh; wrong sign; tanh": "killed: registry: tanh, seed 0",
    "gradient of tanh; tensor frozen; tanh": "killed: registry: tanh, seed 0",
    "gradient of tanh; precision lost; tanh": "killed: registry: tanh, seed 0",
    "gradient of tanh; wrong sign; exp": "equivalent: the same bits on 20 random inputs",
    "scatter; assigned, not added; conv2d": "killed: registry: conv2d, seed 0",
    "_accumulate; statement dropped; Dense": "killed: registry: Dense, seed 0",
    "Window.positions; other operator; tests/kernels/test_windows.py::"
    "test_views_show_what_each_tap_meets": "killed: tests/kernels/test_windows.py::"
    "test_views_show_what_each_tap_meets",
}


def run(program: str, *arguments: str) -> list[str]:
    """What a program prints that runs in an interpreter of its own."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line]  # pytest ends one


def test_a_planted_error_fails_a_check_and_changes_bits():
    assert run(JUDGING, str(ROOT), *SEEN) == list(SEEN.values())


def test_a_tree_is_as_it_was_after_each_change(survey):
    path = "minigan/ops/activation.py"
    tree = survey.modules[path].tree
    planter, before = Planter(ROOT, {}), ast.unparse(tree)
    sys.meta_path.remove(planter)
    planter.trees = {path: tree}
    for found in (r for r in survey.regions if r.path == path):
        for mutant in mutants(found):
            planter.changed(mutant)
            assert ast.unparse(tree) == before


def test_the_lines_that_a_check_reaches_are_seen(survey):
    spans = {r.name: {*r.span} for r in survey.regions if r.path == "minigan/ops/activation.py"}
    with Tracer(ROOT, survey) as tracer:
        mg.tanh(mg.Tensor([0.5], requires_grad=True)).backward()
    seen = tracer.lines["minigan/ops/activation.py"]
    assert seen & spans["gradient of tanh"] and not seen & spans["_gelu_gradient"]
    assert "minigan/ops/pooling.py" not in tracer.lines
    body = {n.lineno for r in survey.regions if r.name == "backward" for n in r.node.body[2:]}
    assert body <= tracer.lines["minigan/autograd.py"]


# Processes

FORKING = """
import os
from mutation.forking import forked

print(forked(lambda: 6 * 7, 5).value)
print(forked(lambda: 1 // 0, 5).error)
print(forked(lambda: os._exit(3), 5).error)
print(forked(lambda: os.kill(os.getpid(), 9), 5).error)
print(forked(lambda: [None for _ in iter(int, 1)], 0.1).timed_out)
"""


def test_a_fork_hands_back_its_value_its_error_or_its_end():
    assert run(FORKING) == [
        "42",
        "ZeroDivisionError: integer division or modulo by zero",
        "ended without a word",
        "ended by SIGKILL",
        "True",
    ]
