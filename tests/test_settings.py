"""``mg.config``: what holds in a block, where, and until when."""

from __future__ import annotations

import threading

import pytest

import minigan as mg
from minigan.kernels import choice


def test_settings_hold_in_the_block_and_are_put_back():
    assert choice.forced.get() == "auto"
    with mg.config(conv="dft"):
        assert choice.forced.get() == "dft"
        with mg.config(conv="auto"):
            assert choice.forced.get() == "auto"
        with mg.config():
            assert choice.forced.get() == "dft"
        with pytest.raises(KeyError), mg.config(conv="direct"):
            raise KeyError
        assert choice.forced.get() == "dft"
    assert choice.forced.get() == "auto"


def test_a_function_can_be_decorated():
    @mg.config(conv="winograd")
    def inside():
        return choice.forced.get()

    assert inside() == inside() == "winograd"
    assert choice.forced.get() == "auto"


def test_threads_have_settings_of_their_own():
    found = {}
    both = threading.Barrier(2)

    def run(name):
        with mg.config(conv=name):
            both.wait()
            found[name] = choice.forced.get()

    threads = [threading.Thread(target=run, args=(name,)) for name in ("dft", "direct")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"dft": "dft", "direct": "direct"}
    assert choice.forced.get() == "auto"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dtf", r"'dtf' \(did you mean 'dft'\?\)"),
        ("Winograd", r"did you mean 'winograd'"),
        ("fast", "'fast', wanted one of"),  # too far from 'dft' to have meant it
        ("xyz", r"'xyz', wanted one of 'auto', 'direct', 'planes', 'dft', 'winograd'"),
        (3, "got 3"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(name, words):
    with pytest.raises(ValueError, match=words), mg.config(conv=name):
        pass
    assert choice.forced.get() == "auto"


@pytest.mark.parametrize("value", ["no", 2, "False", 0, 1])
def test_whether_blas_may_share_is_yes_or_no(value):
    with pytest.raises(ValueError, match="blas_threads: got"), mg.config(blas_threads=value):
        pass
