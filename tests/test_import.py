"""``import minigan`` needs NumPy alone, and leaves what it doesn't need for later."""

import subprocess
import sys

PROGRAM = """
import sys, numpy
before = set(sys.modules)
import minigan, minigan.nn, minigan.gan, minigan.optim
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def imported() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_nothing_but_numpy_and_the_standard_library_is_imported():
    roots = {name.partition(".")[0] for name in imported()}
    assert "minigan" in roots
    assert roots - {"minigan", "numpy"} <= set(sys.stdlib_module_names)


def test_slow_parts_of_the_standard_library_wait_until_they_are_used():
    slow = {"zipfile", "json", "tempfile", "difflib", "hashlib", "gzip", "argparse", "pathlib"}
    assert not slow & imported()


def test_the_command_line_the_recipes_and_the_metrics_are_not_imported():
    assert not {"minigan.cli", "minigan.recipes", "minigan.testing", "minigan.metrics"} & imported()


def test_every_public_name_is_there():
    import minigan

    missing = [name for name in minigan.__all__ if not hasattr(minigan, name)]
    assert not missing


def test_dir_lists_names_that_are_imported_later():
    program = """
import minigan.metrics, minigan.testing
for module in (minigan, minigan.data, minigan.gan, minigan.nn, minigan.metrics, minigan.testing):
    print(*(f"{module.__name__}.{name}" for name in {*module.__all__} - {*dir(module)}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not done.stdout.split()


def test_packages_that_few_need_are_imported_when_asked_for():
    program = "import minigan as mg; print(mg.metrics.evaluate, mg.recipes, mg.testing); mg.nothing"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "minigan.recipes" in done.stdout and "minigan.testing" in done.stdout
    assert done.stderr.endswith("module 'minigan' has no attribute 'nothing'\n")
