"""Arguments that can't be meant are refused by name, with what was got and what was wanted."""

import inspect
from fractions import Fraction

import numpy as np
import pytest

import minigan as mg
from minigan import gan, nn, optim
from minigan.arguments import float_dtype, instance, number, one_of, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_a_whole_number_is_an_int(value):
    assert whole("n", value) == 3 and type(whole("n", value)) is int


@pytest.mark.parametrize(
    "value",
    ["3", 3.0, None, True, np.bool_(True), [3], np.array([3]), np.float32(3)],
)
def test_anything_else_is_no_whole_number(value):
    with pytest.raises(TypeError, match="n: got .*, wanted a whole number of at least 1, or None"):
        whole("n", value, instead=", or None")


def test_a_whole_number_has_a_least():
    assert whole("n", 0, 0) == 0
    with pytest.raises(ValueError, match="n: got -1, wanted a whole number of at least 0"):
        whole("n", -1, 0)


@pytest.mark.parametrize(
    "interval, inside, outside",
    [
        ("[0, 1)", (0, 0.5, np.float32(0.25), np.array(0.5), Fraction(1, 2)), (1, -0.1, np.nan)),
        ("(0, 1]", (1, 1e-9), (0, 1.5)),
        ("(0, inf)", (1e-300, 7), (0, -1, float("inf"), 10**400)),
        ("[0, inf]", (0, float("inf")), (-1, float("nan"))),
        ("(-inf, inf)", (-1e300, 0), (float("inf"), float("-inf"), float("nan"))),
    ],
)
def test_a_number_lies_in_its_interval(interval, inside, outside):
    for value in inside:
        found = number("x", value, interval)
        assert found == value and type(found) in (int, float)
    for value in outside:
        with pytest.raises(ValueError, match=r"x: got .*, wanted a .*number"):
            number("x", value, interval)


@pytest.mark.parametrize("value", ["0.5", None, True, [0.5], 1j, np.array([0.5]), mg.Tensor(0.5)])
def test_anything_else_is_no_number(value):
    with pytest.raises(TypeError, match=r"x: got .*, wanted a number in \[0, 1\)"):
        number("x", value, "[0, 1)")


def test_one_of_several_names():
    assert one_of("mode", "in", ("in", "out")) == "in"
    for value in ("up", None, ["in"]):
        with pytest.raises(ValueError, match='mode: got .*, wanted "in", "out" or "both"'):
            one_of("mode", value, ("in", "out", "both"))


def test_an_instance_of_a_class():
    assert instance("a", 3, int, "an int") == 3
    with pytest.raises(TypeError, match="a: got '3', wanted an int"):
        instance("a", "3", int, "an int")


def test_a_float_dtype_by_its_name():
    assert [float_dtype("dtype", d) for d in ("f2", np.float32, np.dtype("f8"))] == [
        "float16",
        "float32",
        "float64",
    ]
    for value in ("x", None, int, "complex64", 3, []):
        with pytest.raises(ValueError, match='dtype: got .*, wanted "float16", "float32" or'):
            float_dtype("dtype", value)


# Everywhere

WHOLE = ("units", "filters", "groups", "classes", "count", "width", "kernels", "dims", "pieces")
WHOLE += ("embedding", "iterations", "discriminator_steps", "noise", "continuous", "group")
PAIRS = ("kernel_size", "stride", "dilation")
NUMBERS = ("decay", "eps", "slope", "alpha", "rate", "beta1", "beta2", "rho", "momentum", "lr")
NUMBERS += ("weight_decay", "weight", "gamma", "probability", "limit", "spread", "sharpness")
MODULES = ("layer", "branch", "network", "module", "generator", "discriminator")
NONSENSE = {
    **dict.fromkeys(WHOLE, ("x", 2.5, -1, float("nan"), [1])),
    **dict.fromkeys(PAIRS, ("x", 2.5, 0, None, [1])),
    **dict.fromkeys(NUMBERS, ("x", None, float("nan"), [1])),
    **dict.fromkeys(MODULES, ("x", None, 3, nn.Dense)),
    "dtype": ("x", None, int),
    "padding": ("x", 1.5, -1),
    "changes": ("x", None),
}
GIVEN = {"layer": nn.Dense(2), "discriminator": nn.Dense(1), "loss": gan.Hinge()}
GIVEN |= {name: nn.Dense(2) for name in MODULES if name not in GIVEN}
OTHER_MEANING = {("Labels", "discriminator"), ("Information", "continuous")}  # of the same names
CLASSES = [
    getattr(module, name)
    for module, bases in (
        (nn, nn.Module),
        (optim, (optim.Optimizer, optim.MovingAverage)),
        (gan, (nn.Module, gan.Cure, gan.Loss, gan.Game, gan.Labels, gan.Codes)),
    )
    for name in module.__all__
    if inspect.isclass(getattr(module, name)) and issubclass(getattr(module, name), bases)
]


def settings_of(kind: type) -> dict[str, inspect.Parameter]:
    """Its own, and those of its base's that it passes on."""
    known = dict(inspect.signature(kind).parameters)
    if known.pop("settings", None) or known.pop("clipping", None):
        known = settings_of(kind.__base__) | known
    return {n: p for n, p in known.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_nonsense_is_refused_by_the_arguments_name(kind):
    known = settings_of(kind)
    given = {n: GIVEN.get(n, 3) for n, p in known.items() if p.default is p.empty}
    for name in known.keys() & NONSENSE.keys():
        if (kind.__name__, name) in OTHER_MEANING:
            continue
        for bad in NONSENSE[name]:
            if bad is None and known[name].default is None:
                continue
            with pytest.raises((TypeError, ValueError), match=rf"\b{name}: got "):
                kind(**{**given, name: bad})


def test_many_arguments_are_tried():
    tried = [n for kind in CLASSES for n in settings_of(kind).keys() & NONSENSE.keys()]
    assert len(CLASSES) > 70 and len(tried) > 90


# Functions


PARAMETER = nn.Parameter(np.array(0.2))


@pytest.mark.parametrize(
    "function, name",
    [
        (lambda x: mg.leaky_relu(x, PARAMETER), "slope"),
        (lambda x: mg.affine(x, np.ones((2, 2)), np.ones(2), PARAMETER), "slope"),
        (lambda x: mg.elu(x, PARAMETER), "alpha"),
        (lambda x: mg.binary_cross_entropy(x, PARAMETER), "target"),
        (lambda x: mg.binary_cross_entropy_with_logits(x, np.ones(2)), "target"),
        (lambda x: mg.var(x, ddof=PARAMETER), "ddof"),
        (lambda x: mg.sum(x, axis=0.5), "axis"),
        (lambda x: mg.mean(x, axis=(0, True)), "axis"),
        (lambda x: mg.softmax(x, axis="1"), "axis"),
        (lambda x: mg.concatenate([x, x], axis=None), "axis"),
        (lambda x: mg.roll(x, 1.5, 0), "shift"),
        (lambda x: mg.pad(x, 1.7), "widths"),
    ],
)
def test_what_would_be_taken_for_a_number_is_refused(function, name):
    # A learned slope, for one, would get no gradient.
    x = mg.Tensor([[0.25, 0.5]], requires_grad=True)
    with pytest.raises(TypeError, match=rf"^{name}: got .*, wanted "):
        function(x)
