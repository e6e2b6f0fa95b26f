"""Techniques by name, and the one-call door."""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from backlight.attribution import Attribution
from backlight.errors import BacklightWarning, HyperParameterError, UnknownNameError
from backlight.inputs import Extra
from backlight.method import Method
from backlight.plugins import plugins
from backlight.scores import Target

Offered: TypeAlias = Mapping[str, Callable[..., Method]]


def methods() -> Offered:
    """Every installed technique by name, alphabetical; of two with one name the later plugin's.

    A plugin that fails to list its techniques is named in a warning, and left out.
    """
    found: dict[str, Callable[..., Method]] = {}
    for implementation in plugins().manager.hook.backlight_methods.get_hookimpls():
        try:
            found.update(cast(Offered, implementation.function()))
        except Exception as error:  # a foreign plugin may fail in any way; the others must not
            warnings.warn(
                f"The techniques of the plugin {implementation.plugin_name} are left out: "
                f"{type(error).__name__}: {error}",
                BacklightWarning,
                stacklevel=2,
            )
    return dict(sorted(found.items()))


def make_method(method: str | Method, hyper_parameters: Mapping[str, object]) -> Method:
    """A technique from its name and hyper-parameters.

    Raises:
        UnknownNameError: no such technique, with the nearest names.
        HyperParameterError: it has no such hyper-parameter, or not in that range.
    """
    if isinstance(method, Method):
        if hyper_parameters:
            raise HyperParameterError(
                f"{method!r} has its hyper-parameters already; "
                f"put {', '.join(hyper_parameters)} into it."
            )
        return method
    if not isinstance(method, str):
        raise HyperParameterError(
            f"A technique is a name or a Method with its hyper-parameters, such as Saliency(); "
            f"got {method!r}."
        )
    known = methods()
    name = method.strip().lower().replace("-", "_").replace(" ", "_")
    if name not in known:
        raise UnknownNameError("method", method, known)
    accepted = inspect.signature(known[name]).parameters
    for parameter in hyper_parameters:
        if parameter not in accepted:
            raise HyperParameterError(
                f"{name} has no hyper-parameter {parameter!r}; it has "
                f"{', '.join(accepted) or 'none'}."
            )
    return known[name](**hyper_parameters)


def explain(
    model: object,
    x: object,
    target: Target = None,
    method: str | Method = "integrated_gradients",
    *,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    **hyper_parameters: object,
) -> Attribution:
    """Explain why `model` gives `x` the score `target`: any technique, anywhere, for any score.

    Args:
        model, x, target, at, batch_size, extra, class_names: as of a technique's call, see
            `Method.__call__`.
        method: a technique, or the name of an installed one (`backlight methods` lists them).
        **hyper_parameters: of the technique named: `steps=128`, `baseline=0.5` ...

    >>> backlight.explain(net, pictures, target=labels, method="grad_cam")
    """
    technique = make_method(method, hyper_parameters)
    return technique(
        model, x, target, at=at, batch_size=batch_size, extra=extra, class_names=class_names
    )
