"""The fixture, in pytest sessions of its own: what it checks, and that it disturbs nobody."""

from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np
import pytest

import minigan as mg
from minigan.testing import GradientMismatch
from minigan.testing.plugin import Gradcheck, current_seed

pytest_plugins = ["pytester", "minigan.testing.plugin"]

CONFTEST = 'pytest_plugins = ["minigan.testing.plugin"]'
pytestmark = pytest.mark.cpu_only("starts sessions of its own")
STRICT = ("-W", "error", "-p", "no:cacheprovider")

PROPERTY = """
from hypothesis import given
from minigan.testing import strategies as st
from my_package import my_function

@given(st.arrays(st.shapes(), "positive"))
def test_my_layer(gradcheck, x):
    gradcheck(my_function, x)
"""
RIGHT = (
    "import minigan as mg\nmy_function = mg.primitive(lambda x: x**3, lambda g, x: 3 * x**2 * g)"
)
WRONG = RIGHT.replace("3 * x**2 * g", "2 * x**2 * g")


def cube(x):
    return x * x * x


def session(pytester, package, test, *arguments):
    """Pytest in a process of its own, with the plugin on, warnings being errors."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(my_package=package, test_mine=test)
    return pytester.runpytest_subprocess(*STRICT, *arguments)


def test_a_property_test_of_five_lines_passes_what_is_right(pytester):
    session(pytester, RIGHT, PROPERTY).assert_outcomes(passed=1)


def test_it_fails_what_is_wrong_at_the_tests_own_line(pytester):
    result = session(pytester, WRONG, PROPERTY)
    result.assert_outcomes(failed=1)
    shown = result.stdout.str()
    assert "GradientMismatch" in shown and ">       gradcheck(my_function, x)" in shown
    assert "first_order.py" not in shown and "plugin.py" not in shown


def test_an_error_in_the_function_is_shown_where_it_is(pytester):
    package = "def my_function(x):\n    raise RuntimeError('mine')"
    result = session(pytester, package, PROPERTY)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*my_package.py:2: RuntimeError*"])


def test_second_order_is_asked_for(gradcheck):
    once = mg.primitive(lambda x: x**3, lambda g, x: 3 * x.detach() ** 2 * g, name="once")
    x = np.array([0.3, 2.0])
    gradcheck(once, x)
    with pytest.raises(mg.errors.NotTwiceDifferentiableError, match="once"):
        gradcheck(once, x, order=2)
    gradcheck(cube, x, order=2)


def test_options_reach_the_check(gradcheck):
    nearly = mg.primitive(lambda x: x**3, lambda g, x: (3 + 1e-4) * x**2 * g)
    x = np.array([0.3, 2.0])
    with pytest.raises(GradientMismatch):
        gradcheck(nearly, x)
    gradcheck(nearly, x, tolerance=1e-3)
    with pytest.raises(ValueError, match="order: got 3"):
        gradcheck(cube, x, order=3)


def test_arrays_have_a_check_of_their_own(gradcheck):
    x = np.array([[0.3, 2.0]])
    gradcheck.vjp(np.sin, lambda g, x: g * np.cos(x), x)
    gradcheck.vjp(np.multiply, lambda g, x, y: (g * y, g * x), x, 1 + x)
    with pytest.raises(GradientMismatch):
        gradcheck.vjp(np.sin, lambda g, x: g * np.sin(x), x)


# Seeds


def test_the_seed_is_the_node_ids(request):
    assert current_seed() == zlib.crc32(request.node.nodeid.encode())


@pytest.mark.parametrize("name", ["a b", "c)"])
def test_parameters_may_hold_spaces_and_brackets(name, request):
    assert current_seed() == zlib.crc32(request.node.nodeid.encode())


def test_the_seed_is_passed_on_and_may_be_chosen(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "minigan.testing.plugin.check_gradients", lambda *a, seed, **k: seen.append(seed)
    )
    Gradcheck()(cube, 1.0)
    Gradcheck()(cube, 2.0)
    Gradcheck()(cube, 1.0, seed=5)
    assert seen == [current_seed(), current_seed(), 5]


# Those who don't use it


def test_pytest_does_not_load_it_unasked(pytester):
    pytester.makepyfile("import sys\ndef test_it():\n    assert 'minigan' not in sys.modules")
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=1)


def test_a_session_that_has_minigan_already_is_not_warned(pytester):
    pytester.makeconftest("import minigan.testing\n" + CONFTEST)
    pytester.makepyfile("def test_it(gradcheck):\n    pass")
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=1)


def test_the_plugin_needs_pytest_alone():
    program = "import sys, minigan.testing.plugin as p; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
