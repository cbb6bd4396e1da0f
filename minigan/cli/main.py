"""Arguments in, exit status out."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from ..errors import DeviceError, NonFiniteError
from .words import path, sides, unknown, whole

# What a user can cause and mend: told in one line, without a traceback.
_USER_ERRORS = (ValueError, TypeError, KeyError, OSError, ImportError, MemoryError, DeviceError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default the process's); returns the exit status.

    0 done, 1 the training diverged, the doctor found something or a gradient check did not pass, 2
    something to mend, 130 and 143 stopped by a signal. With the environment variable
    MINIGAN_TRACEBACK=1 an error shows where it came from.
    """
    _mend_streams()
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as end:  # argparse, after --help or --version
        return int(end.code or 0)
    except KeyboardInterrupt:
        print("minigan: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe went away, as in `minigan info … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes
        return 141
    except (NonFiniteError, *_USER_ERRORS) as error:
        if os.environ.get("MINIGAN_TRACEBACK") == "1":
            traceback.print_exc()
        print(f"minigan: {_message(error)}", file=sys.stderr)
        return 1 if isinstance(error, NonFiniteError) else 2


def _mend_streams() -> None:
    """Closed streams (``>&-``) swallow what they are given; others replace what they can't show."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _run(arguments: list[str]) -> int:
    parser, commands = _parser()
    if not arguments:
        parser.print_help()
        return 0
    if not arguments[0].startswith("-") and arguments[0] not in commands:
        raise unknown("command", arguments[0], commands)
    asked, rest = parser.parse_known_args(arguments)
    if rest:
        used = commands.get(asked.command, parser)
        word = rest[0].partition("=")[0]
        if word.startswith("-"):
            options = [o for o in used._option_string_actions if o.startswith("--")]
            raise unknown("option", word, options)
        raise ValueError(f"unexpected argument {word!r}; see {used.prog} --help")
    status = asked.action(asked)
    sys.stdout.flush()
    return int(status)


class _Parser(argparse.ArgumentParser):
    """Complains by an exception, so that every complaint looks alike."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def _parser() -> tuple[_Parser, dict[str, _Parser]]:
    from .. import __version__

    parser = _Parser(prog="minigan", description="Train small GANs and look at what they make.")
    parser.epilog = (
        "With the environment variable MINIGAN_TRACEBACK=1 an error shows where it came from."
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    added = {}
    for name, words, add in (
        ("train", "train a recipe, or go on with a run", _train_arguments),
        ("sample", "draw images from a trained generator", _sample_arguments),
        ("doctor", "say what is wrong with a run, and what to try", _doctor_arguments),
        ("evaluate", "measure how good a run's samples are", _evaluate_arguments),
        ("train-classifier", "train what evaluate sees through", _train_classifier_arguments),
        ("info", "tell what a run or a saved file holds", _info_arguments),
        ("explain", "draw what a run's networks have learnt, and how", _explain_arguments),
        ("recipes", "list the recipes and their settings", _recipes_arguments),
        ("gradcheck", "check gradients: minigan's own, or your code's", _gradcheck_arguments),
    ):
        added[name] = commands.add_parser(
            name, help=words, description=_sentence(words), allow_abbrev=False
        )
        add(added[name])
    return parser, added


def _train_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("recipe", nargs="?", metavar="RECIPE", help="what to train (digits); see minigan recipes")
    add("--out", type=path, metavar="DIR", help="the folder of the run (runs/RECIPE)")
    add("--steps", type=whole(1), metavar="N", help="how many steps the run has in all")
    add("--batch", type=whole(1), metavar="N", help="real images in a batch")
    add("--seed", type=whole(0), metavar="N", help="of everything random (0)")
    add("--data", type=path, metavar="PATH", help="a folder of pictures, an .npy, .npz or IDX file")
    add("--device", metavar="cpu|cuda", help="where to compute (cpu)")
    add("--precision", metavar="ieee|tf32|bf16", help="of products on a GPU; see mg.config (auto)")
    graph = argparse.BooleanOptionalAction
    add("--captured", action=graph, default=None, help="make steps on a GPU CUDA graphs (no)")
    add("--best", metavar="METRIC", help="keep the best generator by it, too, as best.npz")
    add("--classifier", type=path, metavar="FILE", help="gives --best features (else the pixels)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    mode.add_argument("--overwrite", action="store_true", help="remove the run in the folder")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    add("--quiet", action="store_true", help="no progress; print only where the samples are")
    parser.epilog = (
        "Settings besides the recipe's own: log_every (10 steps), sample_every (an eighth of the "
        "steps) and save_every (250 steps). With --best, 1,000 samples are judged whenever the run "
        "is saved, by a metric that minigan evaluate knows. A resumed run takes what is not given "
        "from the saved one, and ends with the same bits as if it had never stopped."
    )
    parser.set_defaults(action=_action("train"))


def _sample_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("source", metavar="RUN_OR_FILE", help="a run's folder, or a generator's .npz")
    add("-n", "--count", type=whole(1), default=64, metavar="N", help="how many images (64)")
    add("--seed", type=whole(0), default=0, metavar="N", help="of the noise (0)")
    add("--label", type=whole(0), metavar="N", help="the class of all (by default they take turns)")
    add("--code", type=whole(0), metavar="N", help="the first code of all, of an InfoGAN (drawn)")
    add(
        "-o",
        "--output",
        type=path,
        metavar="FILE",
        help=".png for a grid; .npy or .npz for an array (N, H, W, C) in the generator's range "
        "(sample-seedN.png beside the generator)",
    )
    parser.set_defaults(action=_action("sample"))


def _doctor_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("source", metavar="RUN", help="a run's folder")
    add("--data", type=path, metavar="PATH", help="where its data are now, if they have moved")
    parser.epilog = (
        "Tells what was found as the run was trained, and what shows in its log and in a few more "
        "steps that are not kept. Exit status 1 means that there is something."
    )
    parser.set_defaults(action=_action("doctor"))


def _evaluate_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("source", metavar="RUN", help="a run's folder")
    add(
        "--metrics",
        metavar="NAME,…",
        help="which (all that the features allow but classification_accuracy)",
    )
    add("--data", type=path, metavar="PATH", help="the real images (those of the run)")
    add("--classifier", type=path, metavar="FILE", help="gives features; see train-classifier")
    add(
        "-n",
        "--count",
        type=whole(1),
        metavar="N",
        help="how many samples, and real images at most (as many as are held out, 10,000 at most)",
    )
    add("--seed", type=whole(0), default=0, metavar="N", help="of the noise (0)")
    add("--best", action="store_true", help="judge the best generator that was kept, not the last")
    add("--json", action="store_true", help="print JSON, with all that is known of each value")
    add("--quiet", action="store_true", help="no progress; print only the figures")
    parser.epilog = (
        "Each value stands beside the one that real images score in the samples' place: images "
        "that were held out, or else one half against the other. Samples are counted as "
        "real:fake. For the digits in the package a classifier is trained at once; for other data "
        "the features are the pixels, unless one is given."
    )
    parser.set_defaults(action=_action("evaluate"))


def _train_classifier_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("name", nargs="?", default="digits", metavar="digits|mnist", help="the data (digits)")
    add("--data", type=path, metavar="PATH", help="the folder of MNIST's files")
    add("--out", type=path, metavar="FILE", help="where to save it (NAME-classifier.npz)")
    add("--seed", type=whole(0), default=0, metavar="N", help="of everything random (0)")
    add("--quiet", action="store_true", help="no progress; print only where the classifier is")
    parser.set_defaults(action=_action("train-classifier"))


def _info_arguments(parser: _Parser) -> None:
    parser.add_argument("source", metavar="RUN_OR_FILE", help="a run's folder, or any .npz of ours")
    parser.set_defaults(action=_action("info"))


def _explain_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder")
    add("--out", type=path, metavar="DIR", help="where the pictures go (RUN/explain)")
    add("--data", type=path, metavar="PATH", help="where its data are now, if they have moved")
    parser.set_defaults(action=_action("explain"))


def _recipes_arguments(parser: _Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this recipe's settings")
    parser.set_defaults(action=_action("recipes"))


def _gradcheck_arguments(parser: _Parser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="such as conv2d, or package.module:object")
    add("--all", action="store_true", help="every public function, layer and loss")
    add("--order", type=int, choices=(1, 2), default=1, help="of the highest derivative (1)")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=whole(1), metavar="N", help="check seeds 0 to N - 1 (10)")
    seeds.add_argument("--seed", type=whole(0), metavar="S", help="check this seed only")
    add("--jobs", type=whole(1), metavar="N", help="processes (as many as there are processors)")
    add("--json", type=path, metavar="FILE", help="write all results there too")
    add(
        "--input",
        action="append",
        default=[],
        type=sides,
        metavar="SHAPE",
        help='such as 2x3, or "scalar": of each input of your function or module in turn',
    )
    parser.epilog = (
        "An object of your own may be a function of tensors or a Module (both with --input), a "
        "minigan.testing.registry.Case, or a function (rng) -> Case. Exit status 1 means that a "
        "check did not pass."
    )
    parser.set_defaults(action=_action("gradcheck"))


def _action(name: str) -> Callable[[argparse.Namespace], int]:
    """The command's function, imported when it is called: help and errors stay quick."""

    def call(asked: argparse.Namespace) -> int:
        if name == "gradcheck":  # takes longer to import than the others together
            from .gradcheck import gradcheck

            return gradcheck(asked)
        if name in ("evaluate", "train-classifier"):
            from .evaluate import evaluate, train_classifier

            return (evaluate if name == "evaluate" else train_classifier)(asked)
        from . import doctor, explain, inspect, train

        functions: dict[str, Callable[[argparse.Namespace], int]] = {
            "train": train.train,
            "doctor": doctor.doctor,
            "sample": inspect.sample,
            "info": inspect.info,
            "explain": explain.explain,
            "recipes": inspect.recipes,
        }
        return functions[name](asked)

    return call


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:  # without "[Errno 28]"
        name = error.filename
        return f"{name}: {error.strerror}" if name is not None else error.strerror
    if isinstance(error, KeyError) and error.args:  # str() would give its repr
        return str(error.args[0])
    return str(error) or f"{type(error).__name__}: set MINIGAN_TRACEBACK=1 to see where"
