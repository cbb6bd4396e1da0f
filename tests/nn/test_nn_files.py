"""Modules in files: everything comes back, and nothing else is ever built."""

import contextlib
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minigan import nn, random
from minigan.files import FileError, load_arrays, save_arrays
from minigan.nn.files import rebuild


class Head(nn.Module):
    """A class of the user's own, with a parameter that no layer has."""

    def __init__(self, inner, scale=1.0, parts=()):
        self.inner, self.parts = inner, list(parts)
        self.scale = nn.Parameter(np.array([scale]), dtype="float32")

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return self.inner(x) * self.scale


class Conditional(nn.Module):
    def __init__(self):
        self.embedding, self.dense = nn.Embedding(4, 3), nn.Dense(2)

    def forward(self, noise, ids):
        return self.dense(noise + self.embedding(ids))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "module.npz"


@pytest.fixture
def model():
    return nn.Sequential(nn.Dense(3), nn.BatchNorm(), nn.Dense(2)).build((None, 4), seed=0)


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a
    )


def rewrite(path, **changes):
    """Write the file's header again with some entries replaced (or, for ..., removed)."""
    arrays, header = load_arrays(path)
    header = {k: v for k, v in {**header, **changes}.items() if v is not ...}
    save_arrays(path, arrays, header)


# What comes back


def test_every_layer_goes_round_with_its_settings(case, path):
    layer, x = case.built("float32"), case.input("float32")
    nn.save(layer, path)
    loaded = nn.load(path)
    assert type(loaded) is type(layer)
    assert repr(loaded) == repr(layer)
    assert same(loaded, layer)
    for mode in (True, False):
        with nn.training(mode), random.use(0):
            expected = case.call(layer, x).numpy()
        with nn.training(mode), random.use(0):
            assert np.array_equal(case.call(loaded, x).numpy(), expected)
        layer.load_state_dict(loaded.state_dict())


def test_a_loaded_module_is_in_evaluation_mode(model, path):
    nn.save(model, path)
    assert not any(m.training for _, m in nn.load(path).named_modules())
    assert model.training


@pytest.mark.parametrize(
    "init",
    [nn.Constant(2.0), nn.Normal(0.5, 1.0), nn.Uniform(0, 2), nn.Scaled(2.0, "in", True),
     nn.Orthogonal(1.4), "he_normal"],
)  # fmt: skip
def test_initialiser_arguments_come_back(init, path):
    nn.save(nn.Dense(3, init=init).build((None, 2)), path)
    assert nn.load(path).init == init


def test_a_custom_class_is_refused_unless_given(path):
    module = Head(nn.Dense(2), scale=3.0, parts=[nn.Tanh(), nn.Dense(4)]).build((None, 3), seed=0)
    nn.save(module, path)
    with pytest.raises(FileError, match=r"class 'Head' is not one of minigan's; pass it as custom"):
        nn.load(path)
    loaded = nn.load(path, custom={"Head": Head})
    assert same(loaded, module)
    assert [type(p) for p in loaded.parts] == [nn.Tanh, nn.Dense]


def test_a_module_of_several_inputs_comes_back(path):
    module = Conditional()
    inputs = np.ones((2, 3), "f4"), np.array([3, 1])
    expected = module(*inputs).numpy()
    nn.save(module, path)
    loaded = nn.load(path, custom={"Conditional": Conditional})
    assert np.array_equal(loaded(*inputs).numpy(), expected)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_a_converted_module_comes_back_converted(model, dtype, path):
    model.to(dtype)
    nn.save(model, path)
    loaded = nn.load(path)
    assert same(loaded, model)
    assert loaded(np.zeros((1, 4), dtype)).dtype == dtype


def test_a_shared_layer_is_still_shared(path):
    layer = nn.Dense(3)
    model = nn.Sequential(nn.Tanh(), layer, nn.Sequential(nn.ReLU(), layer)).build((None, 3))
    nn.save(model, path)
    loaded = nn.load(path)
    assert loaded[1] is loaded[2][1]
    assert loaded[0] is not loaded[2][0]
    assert same(loaded, model)


def test_a_part_of_a_built_model_can_be_saved(model, path):
    nn.save(model[2], path)
    assert same(nn.load(path), model[2])


def test_a_module_that_was_never_called_can_be_saved(path):
    nn.save(nn.Sequential(nn.ReLU(), nn.LeakyReLU(0.1)), path)
    assert repr(nn.load(path)) == "Sequential(ReLU(), LeakyReLU(0.1))"
    nn.save(Head(nn.Tanh(), 5.0), path)
    assert nn.load(path, {"Head": Head}).scale.item() == 5


def test_notes_come_back(model, path):
    nn.save(model, path)
    assert nn.read_notes(path) == {}
    nn.save(model, path, notes={"epoch": 3, "name": "größer", "list": [1.5, None]})
    assert nn.read_notes(path) == {"epoch": 3, "name": "größer", "list": [1.5, None]}


def test_equal_modules_make_equal_bytes(model, tmp_path):
    twin = nn.Sequential(nn.Dense(3), nn.BatchNorm(), nn.Dense(2)).build((None, 4), seed=0)
    a, b = tmp_path / "a.npz", tmp_path / "b" / "other.npz"
    b.parent.mkdir()
    nn.save(model, a)
    nn.save(twin, b)
    assert a.read_bytes() == b.read_bytes()
    nn.save(nn.load(a).train(), b)
    assert a.read_bytes() == b.read_bytes()


def test_the_file_holds_no_pickles(model, path):
    nn.save(model, path)
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == {"header", *model.state_dict()}
        assert json.loads(str(file["header"]))["format"] == "minigan.module/1"


# What can't be saved


def test_an_unbuilt_module_is_refused_and_leaves_no_file(path):
    with pytest.raises(RuntimeError, match="call build"):
        nn.save(nn.Dense(2), path)
    assert not path.exists()


@pytest.mark.parametrize("argument", [np.ones(2), {"a": 1}, print, 1j])
def test_arguments_that_json_does_not_have_are_refused_by_type(argument, path):
    module = Head(nn.Tanh(), 1.0)
    module._arguments = ((argument,), {})
    with pytest.raises(TypeError, match=rf"argument of type {type(argument).__name__}"):
        nn.save(module, path)
    assert not path.exists()


# What can't be loaded


def test_a_file_of_another_format_is_refused(path):
    save_arrays(path, {}, {"format": "minigan.trainer/1"})
    with pytest.raises(FileError, match=r"'minigan.trainer/1', wanted 'minigan.module/1'"):
        nn.load(path)


DENSE = {"class": "Dense", "args": [2], "kwargs": {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {**DENSE, "class": "os.system"}},
        {"architecture": {**DENSE, "class": ["Dense"]}},
        {"architecture": {**DENSE, "class": "Normal"}},
        {"architecture": {**DENSE, "args": [0]}},
        {"architecture": {**DENSE, "args": 3}},
        {"architecture": {**DENSE, "args": [10**400]}},
        {"architecture": {**DENSE, "args": ["2"]}},
        {"architecture": {**DENSE, "kwargs": {"colour": 1}}},
        {"architecture": {**DENSE, "kwargs": {"init": DENSE}}},
        {"architecture": {"class": "Dense"}},
        {"architecture": {"class": "PixelShuffle", "args": [0], "kwargs": {}}},
        {"architecture": {"again": 7}},
        {"architecture": {"again": "x"}},
        {"architecture": "Dense"},
        {"architecture": []},
        {"architecture": None},
        {"architecture": ...},
        {"input_shapes": None},
        {"input_shapes": 5},
        {"input_shapes": []},
        {"input_shapes": [[]]},
        {"input_shapes": [[None, 5]]},
        {"input_shapes": [[None, -4]]},
        {"input_shapes": [[None, "4"]]},
        {"input_shapes": ...},
        {"input_dtypes": ["object"]},
        {"input_dtypes": 3},
        {"dtype": "float64"},
        {"dtype": "cuda"},
        {"dtype": "int32"},
        {"dtype": 7},
    ],
    ids=repr,
)
def test_a_tampered_header_is_a_file_error_that_names_the_file(changes, path, model):
    nn.save(model, path)
    rewrite(path, **changes)
    with pytest.raises(FileError, match=r"module\.npz"):
        nn.load(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=3) | st.sampled_from(
        ["Dense", "Sequential", "Reshape", "Conv2D", "Normal", "same"]
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.fixed_dictionaries(
        {"class": st.sampled_from([*nn.LAYERS, "Normal"]), "args": st.lists(inner, max_size=3),
         "kwargs": st.dictionaries(st.sampled_from(["units", "stride", "dtype"]), inner)}
    ),
    max_leaves=6,
)  # fmt: skip


@examples(100)
@given(_JSON, _JSON)
def test_any_header_at_all_makes_a_module_or_a_file_error(architecture, shapes):
    header = {"architecture": architecture, "input_shapes": shapes, "input_dtypes": []}
    with contextlib.suppress(FileError):
        assert isinstance(rebuild({**header, "dtype": None}), nn.Module)


def test_an_architecture_that_nests_too_deep_is_a_file_error():
    header = {"class": "Sequential", "args": [], "kwargs": {}}
    for _ in range(100_000):
        header = {"class": "Sequential", "args": [header], "kwargs": {}}
    with pytest.raises(FileError, match="can't be rebuilt"):
        rebuild({"architecture": header, "input_shapes": None, "input_dtypes": [], "dtype": None})
    while header["args"]:  # level by level: freeing it at once would recurse as deep
        (header,) = header["args"]


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_a_file_cut_short_is_a_file_error(keep, model, path):
    nn.save(model, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(FileError, match=r"module\.npz"):
        nn.load(path)


def test_a_flipped_bit_in_the_weights_is_a_file_error(model, path):
    nn.save(model, path)
    data = bytearray(path.read_bytes())
    at = data.find(model[0].weight.numpy().tobytes())
    assert at > 0
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileError):
        nn.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("0.bias"), "missing '0.bias'"),
        (lambda a: a.update(other=np.ones(2)), "unexpected 'other'"),
        (lambda a: a.update({"0.bias": np.ones(4, "f4")}), r"'0.bias' is \(4,\) float32, wanted"),
        (lambda a: a.update({"0.bias": np.ones(3)}), r"float64, wanted \(3,\) float32"),
    ],
)
def test_arrays_of_another_architecture_are_a_file_error(change, message, model, path):
    nn.save(model, path)
    arrays, header = load_arrays(path)
    change(arrays)
    save_arrays(path, arrays, header)
    with pytest.raises(FileError, match=message):
        nn.load(path)


def test_a_pickle_in_the_file_is_never_run(model, path):
    nn.save(model, path)
    _, header = load_arrays(path)
    text = json.dumps(header)
    np.savez(path, header=np.array(text), **{"0.bias": np.array([print], object)})
    with zipfile.ZipFile(path) as archive:
        assert "0.bias.npy" in archive.namelist()
    with pytest.raises(FileError):
        nn.load(path)
