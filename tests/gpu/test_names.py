"""Every name and keyword that the engine asks of an array module is CuPy's too.

A scan of the engine's source, compared with the CuPy that is installed: it needs no GPU.
"""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import standin

import minigan as mg
from minigan.errors import DeviceError

cupy = pytest.importorskip("cupy", reason="CuPy is not installed: pip install cupy-cuda13x")

PACKAGE = Path(mg.__file__).parent
HOST = {"cli", "data", "files.py", "metrics", "recipes", "testing"}  # where arrays are NumPy's
KNOWN_TAKERS = {"getattr", "make"}  # of names listed here; zeros or empty
COMPARISONS = ["greater", "greater_equal", "less", "less_equal", "equal", "not_equal"]


class Use(NamedTuple):
    """A name of an array module, or of an array, and how it is called."""

    line: int
    name: str  # "linalg.norm"; ".sum" of an array
    places: int = 0
    keywords: tuple[str, ...] = ()


def uses(source: str) -> list[Use]:
    """What a module's source asks of array modules and of arrays."""
    tree = ast.parse(source)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        path, root = [node.attr], node.value
        while isinstance(root, ast.Attribute):
            path.insert(0, root.attr)
            root = root.value
        call = calls.get(id(node))
        places = len(call.args) if call else 0
        keywords = tuple(k.arg for k in call.keywords if k.arg) if call else ()
        if is_module(root):
            found.append(Use(node.lineno, ".".join(path), places, keywords))
        elif call and not is_numpy(root):
            found.append(Use(node.lineno, f".{node.attr}", places, keywords))
    return sorted(found)


def is_module(node: ast.expr) -> bool:
    """Whether an expression is an array module: ``xp``, or ``array_module(…)`` itself."""
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return (isinstance(node, ast.Name) and node.id == "xp") or (
        called and node.func.id == "array_module"
    )


def is_numpy(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "np"


def wrong(use: Use) -> str:
    """Why CuPy can't do it, or nothing."""
    if use.name.startswith("."):
        return wrong_of_array(use)
    thing, names = cupy, use.name.split(".")
    for i, name in enumerate(names):
        if isinstance(thing, cupy.ufunc) and name != "at":
            return f"{use.name}: of a ufunc only .at is to be used"
        if not hasattr(thing, name):
            return f"{'.'.join(names[: i + 1])}: not in CuPy"
        thing = getattr(thing, name)
    if names[-1] == "matmul":
        return "matmul: out by place" if use.places > 2 else ""
    if names[-1] == "einsum":
        return unknown(use, standin.EINSUM)
    if isinstance(thing, cupy.ufunc):
        return unknown(use, standin.UFUNC_KEYWORDS)
    if names[-1] == "at" or not callable(thing) or isinstance(thing, type):
        return ""
    return unknown(use, inspect.signature(thing).parameters)


def wrong_of_array(use: Use) -> str:
    """The same of a method, where NumPy's arrays have one of that name."""
    name = use.name[1:]
    if name.startswith("__") or not callable(getattr(np.ndarray, name, None)):
        return ""
    if not hasattr(cupy.ndarray, name):
        return f"{use.name}: no method of CuPy's arrays"
    return unknown(use, parameters_of_method(name))


def unknown(use: Use, known) -> str:
    odd = [k for k in use.keywords if k not in known]
    return f"{use.name}: no keyword {', '.join(odd)}" if odd else ""


def parameters_of_method(name: str) -> list[str]:
    """From the first line of what Cython documents, or the signature of what is Python's."""
    method = getattr(cupy.ndarray, name)
    first = (method.__doc__ or "").split("\n")[0]
    if "(self" not in first:
        return list(inspect.signature(method).parameters)[1:]
    inside = first.partition("(self")[2].rpartition(")")[0]
    return [p.partition("=")[0].strip(" *").split(" ")[-1] for p in inside.split(",") if p.strip()]


def modules() -> list[Path]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [file for file in files if file.relative_to(PACKAGE).parts[0] not in HOST]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_cupy_has_what_a_module_uses(path):
    found = {use.line: wrong(use) for use in uses(path.read_text(encoding="utf-8"))}
    assert {line: why for line, why in found.items() if why} == {}


def test_the_scan_sees_the_engine():
    seen = {use.name for path in modules() for use in uses(path.read_text(encoding="utf-8"))}
    some = {"matmul", "einsum", "add.at", "lib.stride_tricks.as_strided", "clip", ".sum", ".astype"}
    assert some <= seen and len(seen) > 60


def test_the_scan_finds_what_is_wrong():
    planted = """
def kernel(x, g):
    xp, n = array_module(x), len(x)
    with xp.errstate(all="ignore"):
        y = xp.add(x, g, where=g > 0)
    xp.maximum.reduce(y)
    array_module(y).linalg.vector_norm(y)
    xp.matmul(x, g, y)
    xp.einsum("ij->ji", x, out=y)
    total = (x + y).sum(axis=0, where=y > 0)
    y.setflags(write=False)
    xp.clip(x, min=0, max=1)
    xp.add.at(y, 0, xp.sum(x, axis=0, keepdims=True))
    return np.errstate(all="ignore"), y.max(axis=(0,), keepdims=True), xp.tanh(x, out=y)
"""
    found = {use.line: why for use in uses(planted) if (why := wrong(use))}
    assert found == {
        4: "errstate: not in CuPy",
        5: "add: no keyword where",
        6: "maximum.reduce: of a ufunc only .at is to be used",
        7: "linalg.vector_norm: not in CuPy",
        8: "matmul: out by place",
        9: "einsum: no keyword out",
        10: ".sum: no keyword where",
        11: ".setflags: no method of CuPy's arrays",
        12: "clip: no keyword min, max",
    }


def test_array_modules_go_by_one_name():
    """What a function is given by ``array_module`` it calls xp, or the scan would not see it."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and is_module(node.value):
                assert [ast.unparse(target) for target in node.targets] == ["xp"]
            given = node.args if isinstance(node, ast.Call) else []
            for place in (i for i, argument in enumerate(given) if is_module(argument)):
                if ast.unparse(node.func) not in KNOWN_TAKERS:
                    taker = getattr(import_module(module_name(path)), node.func.id)
                    assert list(inspect.signature(taker).parameters)[place] == "xp", node.func.id


def module_name(path: Path) -> str:
    return ".".join(("minigan", *path.relative_to(PACKAGE).with_suffix("").parts))


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_found_by_name_are_cupys(name):
    assert isinstance(getattr(cupy, name), cupy.ufunc)


def test_a_machine_without_a_driver_is_told_so():
    try:
        cupy.cuda.runtime.getDeviceCount()
    except RuntimeError:
        with pytest.raises(DeviceError, match="there is no (NVIDIA driver|usable GPU).*cudaError"):
            mg.Tensor([1.0], device="cuda")
    else:
        mg.backend.check_device("cuda")


# The stand-in, which says what CuPy has


@pytest.mark.parametrize("name, signature", standin._table(standin.FUNCTIONS).items())
def test_functions_of_the_stand_in_are_cupys(name, signature):
    real = inspect.signature(getattr(cupy, name))
    plain = [p.replace(annotation=p.empty) for p in real.parameters.values()]
    assert signature == real.replace(parameters=plain, return_annotation=real.empty)


@pytest.mark.parametrize("name", standin.UFUNCS.split())
def test_ufuncs_of_the_stand_in_are_cupys(name):
    assert isinstance(getattr(cupy, name), cupy.ufunc)


@pytest.mark.parametrize("name, signature", standin._table(standin.METHODS).items())
def test_methods_of_the_stand_in_are_cupys(name, signature):
    assert list(signature.parameters) == parameters_of_method(name)


@pytest.mark.parametrize(
    "name, methods",
    {
        "Event": ("record", "synchronize"),
        "Graph": ("launch",),
        "MemoryPool": ("malloc",),
        "Stream": ("begin_capture", "end_capture", "is_capturing", "record", "wait_event"),
    }.items(),
)
def test_what_the_stand_in_captures_with_is_cupys(name, methods):
    own, real = (getattr(library.cuda, name) for library in (standin.cupy, cupy))
    for method in methods:
        parameters = list(inspect.signature(getattr(own, method)).parameters)
        found = getattr(real, method)
        if name not in ("Graph", "MemoryPool"):  # which tell no parameters
            assert parameters == list(inspect.signature(found).parameters), method


def test_the_stand_in_has_no_more_than_cupy():
    own = {name for name in dir(standin.ndarray) if not name.startswith("_")}
    assert own <= set(dir(cupy.ndarray))
    assert {name for name in vars(standin.cupy) if not name.startswith("_")} <= set(dir(cupy))
    assert set(vars(standin.cupy.cuda)) <= set(dir(cupy.cuda))
    assert set(vars(standin.cupy.cuda.runtime)) <= set(dir(cupy.cuda.runtime))
