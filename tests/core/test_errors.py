"""Errors: what they say, and that they survive copying and the way to another process."""

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from backlight.errors import BacklightError, InputError, UnknownNameError, message_of, reason, shown
from backlight.explaining.registry import make_method
from backlight_demo.installed import NotInstalledError

ROOT = Path(__file__).parents[2]


def exceptions() -> Iterator[type[BaseException]]:
    """Every exception and warning that a module of the project defines."""
    for source in ("core", "backends", "methods", "plugins"):
        for module in pkgutil.walk_packages([str(ROOT / source)]):
            imported = importlib.import_module(module.name)
            for one in vars(imported).values():
                raised = isinstance(one, type) and issubclass(one, BaseException)
                if raised and one.__module__ == module.name:
                    yield one


MADE = {
    UnknownNameError: partial(UnknownNameError, "site", "stem", ["stem.0"], "Say another."),
    NotInstalledError: partial(NotInstalledError, "It is missing.", name="skimage"),
}
"""How to make those that take more, or other things, than a sentence."""


def test_every_error_survives_copying_and_pickling() -> None:
    found = set(exceptions())
    assert MADE.keys() <= found
    assert len(found) > 15
    for kind in found:
        error = MADE.get(kind, partial(kind, "what was seen"))()
        error.add_note("a note")
        error.more = 3
        for again in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
            assert type(again) is kind
            assert str(again) == str(error)
            assert repr(again) == repr(error)
            assert repr(vars(again)) == repr(vars(error))
            for name in ("name", "path", "msg", "at"):
                assert getattr(again, name, None) == getattr(error, name, None)


class ForeignError(BacklightError, OSError):
    """An error whose constructor takes what its arguments do not tell."""

    def __init__(self, *, place: Path, advice: str) -> None:
        super().__init__(f"{place} is odd. {advice}")
        self.place = place


def test_a_foreign_error_survives_too() -> None:
    error = ForeignError(place=Path("x"), advice="Say another.")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.place, again.args) == (str(error), Path("x"), error.args)


def test_a_mistyped_method_in_a_process_pool_is_an_error_there() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        error = pool.submit(make_method, "gradiant", {}).exception(timeout=60)
    assert type(error) is UnknownNameError
    assert str(error).startswith("Unknown method 'gradiant'. Nearest: gradient")


def test_an_unknown_name_is_short_however_long_it_is() -> None:
    assert len(str(UnknownNameError("site", "x" * 10_000, ["a"]))) < 250


def test_a_value_is_shown_on_one_line() -> None:
    assert shown("two\nlines") == repr("two\nlines")
    assert shown(np.zeros((2, 2))) == "array(float64, [[0.0, 0.0], [0.0, 0.0]])"
    assert shown(np.zeros((99, 99))) == "array(float64, (99, 99), mean 0)"
    text = shown({k: k for k in range(1_000)})
    assert len(text) <= 130
    assert text.startswith("{0: 0, 1: 1,")
    assert text.endswith(", 999: 999}")


def test_a_reason_is_one_line_with_the_type_of_what_was_not_meant() -> None:
    assert reason(InputError("one.\n two.")) == "one. two"
    assert reason(KeyError("x")) == "KeyError: 'x'"
    assert reason(SystemExit()) == "SystemExit"


@pytest.mark.parametrize("known", [[], [str(n) for n in range(50)]])
def test_an_unknown_name_lists_the_known(known: list[str]) -> None:
    text = str(UnknownNameError("class", "none", known))
    assert ("Known: none." in text) if not known else text.endswith("39 ... (50 in all).")


AUTOGRAPH = """in user code:

    File "/work/net.py", line 5, in call  *
        return self.head(x)
    File "/packages/keras/traceback_utils.py", line 122, in error_handler  **
        raise e.with_traceback(filtered_tb) from None

    ValueError: Exception encountered when calling M.call().

    \x1b[1mDimensions must be equal, but are 3 and 7\x1b[0m for MatMul.

    Arguments received by M.call():
      \N{BULLET} x=tf.Tensor(shape=(1, 3), dtype=float32)
"""
GRAPH = """Graph execution error:

Detected at node MatMul defined at (most recent call last):
  File "/work/net.py", line 5, in <module>

<stack traces unavailable>
Matrix size-incompatible: In[0]: [1,3], In[1]: [7,2]
"""


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (
            AUTOGRAPH,
            "Exception encountered when calling M.call(). Dimensions must be equal, but are 3 and 7 for "
            "MatMul.",
        ),
        (GRAPH, "Matrix size-incompatible: In[0]: [1,3], In[1]: [7,2]"),
        ("got (3,).\n--------------------\nFor simplicity, JAX has removed frames.", "got (3,)."),
        ('its File "a", line 3 is no Error: 1,\n  2', 'its File "a", line 3 is no Error: 1, 2'),
        ("ValueError: of the net itself", "ValueError: of the net itself"),
    ],
)
def test_what_frameworks_write_around_a_message_is_left_out(told: str, meant: str) -> None:
    assert message_of(ValueError(told)) == meant
