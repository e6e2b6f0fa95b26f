"""From a user's network to a Model: the installed backends are asked whose it is."""

import inspect
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import partial
from threading import Lock
from typing import Any, cast, get_args

import numpy as np

from backlight.errors import HyperParameterError, NoBackendError
from backlight.memory.memory import forget_functions
from backlight.model.model import Model, Options
from backlight.plugins.entry_points import plugins
from backlight.values.given import Given
from backlight.values.inputs import Inputs
from backlight.values.layout import InputChannels
from backlight.values.outputs import OutputKind
from backlight.values.tree import Tree, leaves

KEPT = 4
"""How many models `wrap` remembers, so that explaining the same net again compiles nothing anew."""

_recent: OrderedDict[Hashable, tuple[tuple[object, ...], Model]] = OrderedDict()
_lock = Lock()


def wrap(
    net: object,
    framework: str | None = None,
    *,
    inputs: object = None,
    outputs: OutputKind | None = None,
    channels: InputChannels | None = None,
) -> Model[Any]:
    """A model from a network of any installed framework.

    The last few models are remembered with their networks: wrapping the same object again gives the
    same model, with what was compiled for it. `forget()` lets go of them.

    Args:
        net: a torch module, a Keras model, a tf.Module or tf.function, a JAX function or module, a
            module of mlx.nn, a plain function of one framework's arrays; a scikit-learn estimator or an
            ONNX Runtime session, which have no gradients; or a Model, which is returned as it is.
        framework: `torch`, `tensorflow`, `jax`, `mlx` ...; needed for a plain function only, and
            there too only where `inputs` are not the framework's own arrays. `numpy` is never told by
            inputs: say it for a function of NumPy arrays, of which nothing but its outputs is known.
        inputs: what the net will be called with, to tell a plain function's framework by.
        outputs: what the net's outputs hold, where its last operation does not show it.
        channels: where inputs have their channels, and feature maps where neither framework nor shapes
            tell: "first" or "last". "none": inputs have none, pictures (N, H, W) for example, and
            feature maps have them where the framework does.

    Raises:
        NoBackendError: no installed backend takes it.
        HyperParameterError: no such `outputs` or `channels`, or others than a model was wrapped with.
        PluginError: backends of several packages take it, and the user prefers none of them.
    """
    check_said("outputs", outputs, get_args(OutputKind))
    check_said("channels", channels, get_args(InputChannels))
    if isinstance(net, Model):
        if outputs not in (None, net.declared) or channels not in (None, net.declared_channels):
            raise HyperParameterError(
                "This is a model that was wrapped before: say outputs and channels where the net "
                "itself is wrapped."
            )
        return net
    options = Options(outputs, None if channels == "none" else channels)
    parts, names = parts_of(net)
    key = (type(net), tuple(map(id, parts)), names, framework, outputs, channels)
    with _lock:
        known = _recent.get(key)
        if known is not None and takes(known[1], inputs):
            _recent.move_to_end(key)
            return known[1]
    model = plugins().first(
        "backlight_wrap",
        Model,  # type: ignore[type-abstract]
        net=net,
        inputs=inputs,
        framework=framework,
        options=options,
    )
    if model is None:
        raise NoBackendError(no_backend(net, inputs, framework))
    model.declared, model.declared_channels = outputs, channels
    if model.transient:
        return model
    with _lock:
        _recent[key] = (parts, model)  # which keeps the parts, and so their ids, alive
        while len(_recent) > KEPT:
            _recent.popitem(last=False)
    return model


def wrap_for(net: object, given: Given) -> Model[Any]:
    """A model that is given these inputs, and data frames where they were rows of one and it takes such.

    Raises:
        BacklightError: as of `wrap`; or the model takes numbers, and the rows hold something else.
    """
    model = wrap(net, inputs=given.x)
    return model if given.columns is None else model.with_columns(given.columns)


def check_said(name: str, said: str | None, known: Sequence[str]) -> None:
    if said is not None and said not in known:
        accepted = ", ".join(map(repr, known))
        raise HyperParameterError(f"wrap: {name} must be one of {accepted}, got {said!r}.")


def forget() -> None:
    """Let go of the models that `wrap` remembers, and of the memory they hold.

    An edited net needs no such call: what is remembered of it is compared with what it is, in each.
    """
    with _lock:
        _recent.clear()
    forget_functions()


def parts_of(net: object) -> tuple[tuple[object, ...], tuple[str, ...]]:
    """The objects whose identity makes a net the same one: a bound method is made anew each time it
    is asked for, and so, often, are a partial function and a pair of a module and its variables."""
    if inspect.ismethod(net):
        return (net.__self__, net.__func__), ()
    if isinstance(net, partial):
        function, names = parts_of(net.func)
        return (*function, *net.args, *net.keywords.values()), (*names, *net.keywords)
    return (net if isinstance(net, tuple) else (net,)), ()


def takes(model: Model, inputs: object) -> bool:
    """Whether inputs are of the model's framework or of none: one plain function can serve several."""
    given = leaves(cast(Tree, inputs)) if isinstance(inputs, (tuple, dict)) else [inputs]
    neutral = (np.ndarray, np.generic, Inputs, type(None))
    return all(isinstance(leaf, neutral) or model.owns(leaf) for leaf in given)


def no_backend(net: object, inputs: object, framework: str | None) -> str:
    found = plugins()
    kind = f"{type(net).__module__}.{type(net).__qualname__}"
    fed = "" if inputs is None else f" fed with a {type(inputs).__module__}.{type(inputs).__name__}"
    asked = "" if framework is None else f" (framework={framework!r})"
    loaded = ", ".join(plugin.name for plugin in found.found if plugin.sentence is None)
    said = " ".join((f"No backend takes a {kind}{fed}{asked}.", *found.left_out("backlight_wrap")))
    return (
        f"{said} Plugins installed: {loaded}. "
        "For a plain function say framework='torch', 'tensorflow', 'jax' or 'mlx', or feed "
        "it that framework's own arrays; check that the framework is installed "
        "(pip install 'backlight[torch]'). For a function of NumPy arrays, which has no gradients, say "
        "framework='numpy'."
    )
