"""Which library and device an array belongs to, with the stand-in for CuPy where one is needed."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import standin

import minigan as mg
from minigan import backend
from minigan.errors import DeviceError

ROOT = str(Path(mg.__file__).parents[1])


@pytest.fixture
def gpu(monkeypatch):
    """A CuPy with two devices, the first of which is the current one."""
    monkeypatch.setitem(sys.modules, "cupy", standin.cupy)
    monkeypatch.setattr(standin.Device, "current", 0)
    return standin.cupy


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes ``import cupy`` fail


@pytest.mark.parametrize("value", [np.ones(2), np.float32(1), 1.0, [1], None, np.ma.ones(2)])
def test_anything_but_a_gpu_array_is_numpys(gpu, value):
    assert backend.array_module(value) is np


def test_a_gpu_array_is_cupys(gpu):
    assert backend.array_module(gpu.asarray([1.0])) is gpu


def test_arrays_are_told_from_other_values(gpu):
    assert backend.is_array(np.ones(2)) and backend.is_array(np.array(1.0))
    assert backend.is_array(gpu.asarray([1.0]))
    for other in (1.0, np.float64(1), [1.0], mg.Tensor([1.0]), None):
        assert not backend.is_array(other)


def test_devices_are_named(gpu):
    assert backend.device_of(np.ones(2)) == "cpu"
    with gpu.cuda.Device(1):
        assert backend.device_of(gpu.asarray([1.0])) == "cuda:1"


def test_to_the_cpu_is_the_array_itself():
    array = np.ones(3)
    assert backend.to_device(array, "cpu") is array


@pytest.mark.parametrize(("device", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_to_a_gpu_and_back(gpu, device, index):
    there = backend.to_device(np.array([1.0, 2.0]), device)
    assert backend.device_of(there) == f"cuda:{index}"
    assert gpu.cuda.Device() == gpu.cuda.Device(index)  # which is computed on from now on
    assert (there + there).device == gpu.cuda.Device(index)
    assert backend.to_device(there, device) is there
    assert backend.to_device(there, "cpu").tolist() == [1, 2]


def test_from_one_gpu_to_the_other(gpu):
    first = mg.Tensor([1.0, 2.0], device="cuda:0", requires_grad=True)
    second = first.to("cuda:1")
    assert (first.device, second.device) == ("cuda:0", "cuda:1")
    (g,) = mg.grad((second * 3).sum(), first)
    assert g.device == "cuda:0" and g.numpy().tolist() == [3, 3]


def test_a_tensor_that_is_there_is_itself(gpu):
    there = mg.Tensor([1.0], device="cuda")
    assert there.to("cuda") is there and there.to("cuda:0") is there


@pytest.mark.parametrize("device", ["gpu", "tpu:0", "cuda:x", "cuda:-1", "CPU", ""])
def test_an_unknown_device_is_named_whether_or_not_there_is_cupy(no_cupy, device):
    for use in (
        lambda: backend.check_device(device),
        lambda: backend.to_device(np.ones(2), device),
        lambda: mg.Tensor([1.0], device=device),
        lambda: mg.Tensor([1.0]).to(device),
    ):
        with pytest.raises(DeviceError, match=f'got \'{device}\', wanted "cpu", "cuda"'):
            use()


# What is missing


def refused(device="cuda"):
    """What is said of a device, in whatever way it is asked for: always the same, on one line."""
    said = set()
    for use in (
        lambda: backend.check_device(device),
        lambda: backend.to_device(np.ones(2), device),
        lambda: mg.Tensor([1.0], device=device),
        lambda: mg.Tensor([1.0]).to(device),
        lambda: mg.nn.Dense(1).build((None, 2)).to(device),
    ):
        with pytest.raises(DeviceError) as caught:
            use()
        said.add(str(caught.value))
    (message,) = said
    assert "\n" not in message
    return message


def test_without_cupy_the_error_says_what_to_install(no_cupy):
    assert refused() == (
        'device "cuda" needs CuPy, of the extra "gpu": pip install ".[gpu]" in the folder of '
        "minigan's source"
    )


@pytest.mark.parametrize("version", ["13.6.0", "14.0.1", "14.1.0", "14.1.0rc1"])
def test_a_cupy_that_is_too_old_is_named(gpu, monkeypatch, version):
    monkeypatch.setattr(gpu, "__version__", version)
    assert refused() == f'device "cuda" needs CuPy 14.1.1 or newer, got {version}'


@pytest.mark.parametrize("version", ["14.1.1", "14.2.0rc1", "15.0"])
def test_a_newer_cupy_will_do(gpu, monkeypatch, version):
    monkeypatch.setattr(gpu, "__version__", version)
    backend.check_device("cuda")


@pytest.mark.parametrize(
    "error, words",
    [
        ("cudaErrorInsufficientDriver: CUDA driver version is insufficient", "NVIDIA driver"),
        ("cudaErrorNoDevice: no CUDA-capable device is detected", "no usable GPU"),
    ],
)
def test_what_the_driver_says_is_told(gpu, monkeypatch, error, words):
    def count():
        raise standin.CUDARuntimeError(error)

    monkeypatch.setattr(gpu.cuda, "runtime", SimpleNamespace(getDeviceCount=count))
    message = refused()
    assert "got 'cuda'" in message and words in message and error in message


def test_a_gpu_that_there_is_not_is_named(gpu, monkeypatch):
    backend.check_device("cuda:1")
    assert refused("cuda:2") == "device: got 'cuda:2', but this machine has 2 GPU(s)"
    monkeypatch.setattr(gpu.cuda, "runtime", SimpleNamespace(getDeviceCount=lambda: 0))
    assert refused() == "device: got 'cuda', but this machine has 0 GPU(s)"


def test_the_cpu_needs_no_cupy(no_cupy):
    backend.check_device("cpu")
    x = mg.Tensor([1.0, 2.0], requires_grad=True, device="cpu")
    (g,) = mg.grad((x.to("cpu") * 2).sum(), x)
    assert g.device == "cpu" and g.numpy().tolist() == [2, 2]


def test_arrays_of_two_devices_do_not_mix(gpu):
    places = ("cpu", "cuda:0", "cuda:1")
    here, first, second = (mg.Tensor([1.0], device=place) for place in places)
    for a, b, both in [
        (here, first, "cpu and on cuda:0"),
        (second, first, "cuda:0 and on cuda:1"),
        (mg.Tensor(1.0), first, "cpu and on cuda:0"),
        (first._array, here, "cpu and on cuda:0"),
        (first, np.ones(1), "cpu and on cuda:0"),
    ]:
        with pytest.raises(DeviceError, match=f"add: got arrays on {both}: move them"):
            mg.add(a, b)
    leaf = mg.Tensor([1.0], device="cuda", requires_grad=True)
    with pytest.raises(DeviceError, match=r"grad_outputs\[0\] is on cpu, its output cuda:0"):
        mg.grad(leaf * 1, leaf, here)


def test_numbers_go_with_any_array(gpu):
    there = mg.Tensor([2.0], device="cuda")
    for number in (3, 3.0, np.float64(3), np.array(3.0), np.float32(3)):
        assert ((there * number).numpy().tolist(), (number + there).numpy().tolist()) == ([6], [5])


def test_numbers_of_a_gpu_come_in_one_copy(gpu):
    here = [np.float32(1.5), np.array(2.0)]
    assert backend.numbers(here) == [1.5, 2.0] and backend.numbers([]) == []
    there = [gpu.asarray(number) for number in here]
    with standin.counted() as counts:
        assert backend.numbers(iter(there)) == [1.5, 2.0]
    assert counts.waits == 1


def test_importing_minigan_does_not_import_cupy():
    code = "import sys, minigan; sys.exit('cupy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ROOT})
