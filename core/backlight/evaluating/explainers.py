"""What may be judged: a technique, or maps that are there already."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution, host_array
from backlight.by_value import is_array
from backlight.errors import BacklightWarning, HyperParameterError, InputError, shown
from backlight.evaluating.subject import Explainer, Map
from backlight.explaining.method import Method
from backlight.explaining.objective import Objective
from backlight.explaining.registry import make_method
from backlight.values.arrays import AnyArray
from backlight.values.tree import Tree, leaves, map_leaves

Judged: TypeAlias = (
    str | Method | Callable[..., Attribution[Any]] | Attribution[Any] | NDArray[Any] | AnyArray
)
"""A technique's name; a technique; a function that is called like one, such as
`functools.partial(GradCAM(), at="layer3")`; or maps of all the examples: an attribution, or an array
(N, ...)."""


def explainers(
    methods: Judged | Sequence[Judged] | Mapping[str, Judged], count: int
) -> dict[str, Explainer]:
    """What is to be judged, each under a name of its own, for `count` examples.

    Raises:
        BacklightError: no such technique, or it cannot be judged.
    """
    if isinstance(methods, Mapping):
        return {str(name): explainer(one, count) for name, one in methods.items()}
    given = list(methods) if isinstance(methods, (list, tuple)) else [methods]
    names = numbered([name_of(cast(Judged, one)) for one in given])
    return {
        name: explainer(cast(Judged, one), count) for name, one in zip(names, given, strict=True)
    }


def numbered(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that came before."""
    found: list[str] = []
    for place, name in enumerate(names):
        same = names[:place].count(name)
        found.append(f"{name} {same + 1}" if same else name)
    return found


def name_of(judged: Judged) -> str:
    if isinstance(judged, str):
        return judged
    if isinstance(judged, Attribution):
        return judged.method.partition("(")[0]
    if is_array(judged):
        return "map"
    if isinstance(judged, partial):
        return name_of(cast(Judged, judged.func))
    return getattr(judged, "__name__", None) or type(judged).__name__


def explainer(judged: Judged, count: int) -> Explainer:
    if isinstance(judged, Attribution):
        return given_maps(judged.numpy(), judged.relative_gap, count, shown(judged.method))
    if is_array(judged):
        return given_maps(cast(Tree, judged), None, count, "The array")
    method = make_method(judged, {}) if isinstance(judged, (str, Method)) else judged
    if not callable(method):
        raise HyperParameterError(
            "What is judged is a technique, by name or with its hyper-parameters, an Attribution or an "
            f"array of maps; got {shown(judged)}."
        )
    return partial(asked, method)


def asked(method: Callable[..., Attribution[Any]], objective: Objective, draw: int) -> Map:
    """What a technique says; its warnings come with the map."""
    bound = isinstance(method, partial) and "at" in method.keywords
    spatial = isinstance(method, Method) and method.spatial
    where = {} if bound or spatial else {"at": objective.at}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = method(
            objective.model,
            objective.inputs,
            objective.target,
            batch_size=objective.batch_size,
            **where,
        )
    return Map(doubles(found.numpy()), found.relative_gap, found.warnings)


def given_maps(
    values: Tree[Any], gap: NDArray[np.float64] | None, count: int, what: str
) -> Explainer:
    """An explainer that knows the maps of the user's examples and of nothing else."""
    maps = doubles(values)
    rows = [len(leaf) for leaf in leaves(maps)]
    if any(one != count for one in rows):
        raise InputError(
            f"{what} holds {rows[0]} maps for {count} examples; give one for each, on axis 0."
        )

    def cut(objective: Objective, draw: int) -> Map:
        if draw:
            raise InputError(
                "This metric asks the technique again, and maps that are there already cannot be "
                "asked: give the technique itself."
            )
        part = map_leaves(lambda leaf: leaf[objective.rows], maps)
        return Map(part, None if gap is None else gap[objective.rows])

    return cut


def doubles(values: Tree[Any]) -> Tree[NDArray[np.float64]]:
    """Arrays of any framework as float64 on the host."""
    return map_leaves(lambda leaf: host_array(leaf).astype(np.float64), values)
