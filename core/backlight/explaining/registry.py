"""Techniques by name, and the one call that explains."""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution
from backlight.errors import (
    BacklightError,
    BacklightWarning,
    HyperParameterError,
    PluginError,
    UnknownNameError,
    reason,
    shown,
)
from backlight.explaining.method import Method
from backlight.explaining.targets import Target, Targets
from backlight.plugins.choices import normalised
from backlight.plugins.entry_points import plugins
from backlight.plugins.plugins import Offers, Plugin
from backlight.values.inputs import Extra, Inputs
from backlight.values.tree import GivenT, NestedT

Maker: TypeAlias = Callable[..., Method]
"""A technique's class, or a function that makes one from hyper-parameters."""


def methods() -> Mapping[str, Maker]:
    """Every installed technique by name, alphabetical.

    A plugin that fails to list its techniques is named in a warning and left out, and so is a name that
    several plugins offer, unless the user prefers one of them.
    """
    found: dict[str, Maker] = {}
    for name, offers in offered().items():
        try:
            found[name] = plugins().choose("The technique", name, offers)
        except PluginError as clash:
            warnings.warn(f"{clash} Until then it is left out.", BacklightWarning, stacklevel=2)
    return found


def offered() -> Mapping[str, Offers[Maker]]:
    """Every technique by name, alphabetical, with the plugins that offer it."""
    found: dict[str, list[tuple[Plugin, Maker]]] = {}
    for plugin, techniques in plugins().each("backlight_methods", techniques_of):
        for name, make in techniques.items():
            found.setdefault(name, []).append((plugin, make))
    return dict(sorted(found.items()))


def techniques_of(hook: Callable[..., object]) -> dict[str, Maker]:
    """What a plugin offers, by names in one spelling; PluginError where that is no set of techniques."""
    answer = hook()
    if not isinstance(answer, Mapping):
        raise PluginError(
            f"it gave something of type {type(answer).__qualname__}, not a mapping of techniques"
        )
    found: dict[str, Maker] = {}
    for name, make in answer.items():
        key = normalised(name) if isinstance(name, str) else ""
        if not re.fullmatch(r"\w+", key) or key in found:
            raise PluginError(
                f"it names a technique {shown(name)}; a name has letters, digits and _, and is another "
                "for each technique in any spelling"
            )
        if not is_maker(make):
            kind = (
                make.__qualname__
                if isinstance(make, type)
                else f"of type {type(make).__qualname__}"
            )
            raise PluginError(
                f"its technique {name} is {kind}, neither a subclass of backlight.Method nor a function "
                "with named hyper-parameters that makes one"
            )
        if isinstance(make, Method):
            raise PluginError(f"its technique {name} is made already; offer {type(make).__name__}")
        found[key] = make
    return found


def is_maker(make: object) -> bool:
    if isinstance(make, type):
        return issubclass(make, Method)
    try:
        inspect.signature(cast(Maker, make))
    except (TypeError, ValueError):  # not callable, or written in C without a signature
        return False
    return True


def make_method(method: str | Method, hyper_parameters: Mapping[str, object]) -> Method:
    """A technique from its name and hyper-parameters.

    Raises:
        UnknownNameError: no such technique, with the nearest names, and with the plugins that failed.
        PluginError: several plugins offer it, or it fails in a way that no hyper-parameter explains.
        HyperParameterError: it has no such hyper-parameter, needs another, or not in that range.
    """
    if isinstance(method, Method):
        if hyper_parameters:
            raise HyperParameterError(
                f"{shown(method)} has its hyper-parameters already; "
                f"put {', '.join(hyper_parameters)} into it."
            )
        return method
    if not isinstance(method, str):
        raise HyperParameterError(
            f"A technique is a name or a Method with its hyper-parameters, such as Saliency(); "
            f"got {shown(method)}."
        )
    known = offered()
    name = normalised(method)
    if name not in known:
        raise UnknownNameError(
            "method", method, known, " ".join(plugins().left_out("backlight_methods"))
        )
    make = plugins().choose("The technique", name, known[name])
    return made(name, make, hyper_parameters)


def made(name: str, make: Maker, hyper_parameters: Mapping[str, object]) -> Method:
    """A technique; whatever its constructor refuses is an error that names the technique."""
    try:
        check_parameters(name, inspect.signature(make).parameters, hyper_parameters)
        technique = make(**hyper_parameters)
    except BacklightError:
        raise
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={shown(value)}" for key, value in hyper_parameters.items())
        raise HyperParameterError(f"{name}({given}) cannot be made: {reason(error)}.") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a foreign technique may fail in any way
        raise PluginError(
            f"The technique {name} failed when it was made: {reason(error)}."
        ) from error
    if not isinstance(technique, Method):
        raise PluginError(
            f"The technique {name} made something of type {type(technique).__qualname__}, not a "
            "backlight.Method."
        )
    return technique


def check_parameters(
    name: str, accepted: Mapping[str, inspect.Parameter], given: Mapping[str, object]
) -> None:
    """Raise HyperParameterError for one that is not there, and for one that must be said and is not."""
    kinds = {parameter.kind for parameter in accepted.values()}
    for parameter in given:
        if parameter not in accepted and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise HyperParameterError(
                f"{name} has no hyper-parameter {parameter!r}; it has "
                f"{', '.join(accepted) or 'none'}."
            )
    missing = [key for key, one in accepted.items() if is_required(one) and key not in given]
    if missing:
        raise HyperParameterError(f"{name} has no default for {', '.join(missing)}; say it.")


def is_required(parameter: inspect.Parameter) -> bool:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variable


@overload
def explain(
    model: object,
    x: GivenT,
    target: Targets,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> tuple[Attribution[GivenT], ...]: ...


@overload
def explain(
    model: object,
    x: object,
    target: Targets,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> tuple[Attribution[Any], ...]: ...


@overload
def explain(
    model: object,
    x: NDArray[np.integer[Any] | np.bool],
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution[NDArray[np.floating[Any]]]: ...


@overload
def explain(
    model: object,
    x: GivenT,
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution[GivenT]: ...


@overload
def explain(
    model: object,
    x: NestedT,
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution[NestedT]: ...


@overload
def explain(
    model: object,
    x: tuple[GivenT, ...] | dict[str, GivenT],
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: str,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution[GivenT]: ...


@overload
def explain(
    model: object,
    x: Inputs[Any],
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution[Any]: ...


def explain(
    model: object,
    x: object,
    target: Target | Targets = None,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution[Any] | tuple[Attribution[Any], ...]:
    """Explain why `model` gives `x` the score `target`: any technique, anywhere, for any score.

    Args:
        model, x, target, at, batch_size, extra, class_names: as of a technique's call, see
            `Method.__call__`.
        method: a technique, or the name of an installed one (`backlight methods` lists them).
        **hyper_parameters: of the technique named: `steps=128`, `baseline=0.5` ...

    >>> backlight.explain(net, pictures, target=labels, method="grad_cam")
    >>> best, second = backlight.explain(net, pictures, target=backlight.Top(2))
    """
    technique = make_method(method, hyper_parameters)
    call = cast(Callable[..., Attribution[Any] | tuple[Attribution[Any], ...]], technique)
    return call(
        model, x, target, at=at, batch_size=batch_size, extra=extra, class_names=class_names
    )
