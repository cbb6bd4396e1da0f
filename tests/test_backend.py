"""Which library and device an array belongs to, with a stand-in for CuPy where one is needed."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg
from minigan import backend
from minigan.errors import DeviceError

ROOT = str(Path(mg.__file__).parents[1])


class GPUArray:
    """What the backend may know of a CuPy array."""

    def __init__(self, values, index=0):
        self.values, self.device = np.asarray(values), SimpleNamespace(id=index)
        self.dtype, self.ndim, self.shape = self.values.dtype, self.values.ndim, self.values.shape


class GPU:
    """A CuPy with two devices, which remembers those that were entered."""

    ndarray = GPUArray

    def __init__(self, usable=True):
        self.entered = []
        runtime = SimpleNamespace(getDeviceCount=lambda: 2)
        self.cuda = SimpleNamespace(
            is_available=lambda: usable, runtime=runtime, Device=self.device
        )

    def device(self, index):
        entered = self.entered

        class Device:
            def __enter__(self):
                entered.append(index)

            def __exit__(self, *error):
                return None

        return Device()

    def asarray(self, array):
        return array if isinstance(array, GPUArray) else GPUArray(array, self.entered[-1])

    def asnumpy(self, array):
        return array.values


@pytest.fixture
def gpu(monkeypatch):
    module = GPU()
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes ``import cupy`` fail


@pytest.mark.parametrize("value", [np.ones(2), np.float32(1), 1.0, [1], None, np.ma.ones(2)])
def test_anything_but_a_gpu_array_is_numpys(gpu, value):
    assert backend.array_module(value) is np


def test_a_gpu_array_is_cupys(gpu):
    assert backend.array_module(GPUArray([1.0])) is gpu


def test_arrays_are_told_from_other_values(gpu):
    assert backend.is_array(np.ones(2)) and backend.is_array(np.array(1.0))
    assert backend.is_array(GPUArray([1.0]))
    for other in (1.0, np.float64(1), [1.0], mg.Tensor([1.0]), None):
        assert not backend.is_array(other)


def test_devices_are_named(gpu):
    assert backend.device_of(np.ones(2)) == "cpu"
    assert backend.device_of(GPUArray([1.0], 1)) == "cuda:1"


def test_to_the_cpu_is_the_array_itself():
    array = np.ones(3)
    assert backend.to_device(array, "cpu") is array


@pytest.mark.parametrize(("device", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_to_a_gpu_and_back(gpu, device, index):
    there = backend.to_device(np.array([1.0, 2.0]), device)
    assert isinstance(there, GPUArray) and backend.device_of(there) == f"cuda:{index}"
    assert gpu.entered == [index]
    assert backend.to_device(there, "cpu").tolist() == [1, 2]


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


def test_without_cupy_the_error_says_what_to_install(no_cupy):
    for use in (
        lambda: backend.check_device("cuda"),
        lambda: backend.to_device(np.ones(2), "cuda:0"),
        lambda: mg.Tensor([1.0], device="cuda"),
    ):
        with pytest.raises(DeviceError, match=r"pip install"):
            use()


def test_cupy_without_a_usable_gpu_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", GPU(usable=False))
    with pytest.raises(DeviceError, match="no usable GPU"):
        backend.to_device(np.ones(2), "cuda")


def test_check_device_counts_the_gpus(gpu):
    backend.check_device("cpu")
    backend.check_device("cuda")
    backend.check_device("cuda:1")
    with pytest.raises(DeviceError, match="has 2 GPU"):
        backend.check_device("cuda:2")


def test_the_cpu_needs_no_cupy(no_cupy):
    backend.check_device("cpu")
    x = mg.Tensor([1.0, 2.0], requires_grad=True, device="cpu")
    (g,) = mg.grad((x.to("cpu") * 2).sum(), x)
    assert g.device == "cpu" and g.numpy().tolist() == [2, 2]


def test_arrays_of_two_devices_do_not_mix(gpu):
    with pytest.raises(DeviceError, match="add: got arrays on the CPU and on a GPU"):
        mg.add(mg.Tensor([1.0]), GPUArray([1.0]))


def test_importing_minigan_does_not_import_cupy():
    code = "import sys, minigan; sys.exit('cupy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ROOT})
