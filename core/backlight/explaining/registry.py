"""Techniques by name, and the one call that explains."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution
from backlight.explaining.describing import Names
from backlight.explaining.layer_inputs import Place, Places
from backlight.explaining.method import Method
from backlight.explaining.targets import Target, Targets
from backlight.plugins.catalogue import Catalogue
from backlight.values.inputs import Extra, Inputs
from backlight.values.tree import GivenT, NestedT

Maker: TypeAlias = Callable[..., Method]
"""A technique's class, or a function that makes one from hyper-parameters."""


METHODS: Catalogue[Method] = Catalogue("backlight_methods", "technique", Method, "Saliency()")  # type: ignore[type-abstract]


def methods() -> Mapping[str, Maker]:
    """Every installed technique by name, alphabetical.

    A plugin that fails to list its techniques is named in a warning and left out, and so is a name that
    several plugins offer, unless the user prefers one of them.
    """
    return METHODS.all()


def ready() -> Mapping[str, Method]:
    """Every installed technique that can be made without hyper-parameters, by name."""
    found = {}
    for name, make in methods().items():
        try:
            found[name] = make()
        except Exception:  # it needs hyper-parameters: only who asks for it by name has them
            continue
    return found


def make_method(method: str | Method, hyper_parameters: Mapping[str, object]) -> Method:
    """A technique from its name and hyper-parameters; see `Catalogue.make`."""
    return METHODS.make(method, hyper_parameters)


@overload
def explain(
    model: object,
    x: object,
    target: Targets,
    method: str | Method = "integrated_gradients",
    *,
    at: Places,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    names: Names = None,
    differentiable: bool = False,
    **hyper_parameters: object,
) -> tuple[tuple[Attribution[Any], ...], ...]: ...


@overload
def explain(
    model: object,
    x: object,
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: Places,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    names: Names = None,
    differentiable: bool = False,
    **hyper_parameters: object,
) -> tuple[Attribution[Any], ...]: ...


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
    names: Names = None,
    differentiable: bool = False,
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
    names: Names = None,
    differentiable: bool = False,
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
    names: Names = None,
    differentiable: bool = False,
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
    names: Names = None,
    differentiable: bool = False,
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
    names: Names = None,
    differentiable: bool = False,
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
    names: Names = None,
    differentiable: bool = False,
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
    names: Names = None,
    differentiable: bool = False,
    **hyper_parameters: object,
) -> Attribution[Any]: ...


def explain(
    model: object,
    x: object,
    target: Target | Targets = None,
    method: str | Method = "integrated_gradients",
    *,
    at: Place | Places = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    names: Names = None,
    differentiable: bool = False,
    **hyper_parameters: object,
) -> Attribution[Any] | tuple[Attribution[Any] | tuple[Attribution[Any], ...], ...]:
    """Explain why `model` gives `x` the score `target`: any technique, anywhere, for any score.

    Args:
        model, x, target, at, batch_size, extra, class_names, names, differentiable: as of a
            technique's call, see `Method.__call__`.
        method: a technique, or the name of an installed one (`backlight methods` lists them).
        **hyper_parameters: of the technique named: `steps=128`, `baseline=0.5` ...

    >>> backlight.explain(net, pictures, target=labels, method="grad_cam")
    >>> best, second = backlight.explain(net, pictures, target=backlight.Top(2))
    >>> early, late = backlight.explain(net, pictures, at=["layer2", "layer4"], method="grad_cam")
    """
    call: Callable[..., Any] = make_method(method, hyper_parameters)
    return call(  # type: ignore[no-any-return]
        model,
        x,
        target,
        at=at,
        batch_size=batch_size,
        extra=extra,
        class_names=class_names,
        names=names,
        differentiable=differentiable,
    )
