"""What an interrupt must leave as it was, on each framework: small nets, calls, and all state."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backlight
from backlight import interrupts
from backlight_methods import (
    LRP,
    DeepLIFT,
    GradCAM,
    Gradient,
    GuidedBackprop,
    IntegratedGradients,
    Occlusion,
    Smooth,
)

FRAMEWORKS = ("torch", "tensorflow", "jax")

TECHNIQUES = {
    "gradient": Gradient(),
    "integrated_gradients": IntegratedGradients(steps=4),
    "occlusion": Occlusion(window=3, stride=3),
    "smooth": Smooth(samples=2),
    "grad_cam": GradCAM(),
    "deep_lift": DeepLIFT(),
    "lrp": LRP(),
    "guided_backprop": GuidedBackprop(),
}


@dataclass(frozen=True)
class Subject:
    """A net and what is done with it.

    Attributes:
        calls: by name: each explains the net and gives the values.
        state: everything that a call may alter and must put back, in a form that can be compared.
    """

    calls: dict[str, Callable[[], NDArray[Any]]]
    state: Callable[[], object]


@cache
def subject(framework: str) -> Subject:
    return {"torch": of_torch, "tensorflow": of_tensorflow, "jax": of_jax}[framework]()


def calls(net: object, x: object, site: str) -> dict[str, Any]:
    def explained(method: Any, at: str | None = None) -> Callable[[], NDArray[Any]]:
        return lambda: np.asarray(method(net, x, 1, at=at).values)

    found = {key: explained(method) for key, method in TECHNIQUES.items()}
    found["gradient at a site"] = explained(Gradient(), site)
    found["deep_lift at a site"] = explained(DeepLIFT(), site)
    return found


def pictures(*shape: int) -> NDArray[Any]:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def common() -> list[object]:
    return [
        threading.active_count(),
        signal.getsignal(signal.SIGINT),
        interrupts._current,
        backlight.model.wrapping._lock.locked(),
    ]


def of_torch() -> Subject:
    import torch
    from torch import nn

    from backlight_torch.engine import running
    from backlight_torch.nets import exported
    from backlight_torch.nets.calls import registering

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(27, 3),
    ).train()
    net[5].eval()
    unlisted = [nn.Linear(4, 4), nn.Dropout().train(), nn.Linear(4, 3)]
    attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).train()

    def function(x: torch.Tensor) -> torch.Tensor:
        for module in unlisted:
            x = module(x)
        return x

    def pooled(x: torch.Tensor) -> torch.Tensor:
        return attention(x).mean(1)

    modules = [*net.modules(), *unlisted, *attention.modules()]
    everywhere = [name for name in vars(nn.modules.module) if name.startswith("_global_")]
    rows, tokens = pictures(2, 4), pictures(2, 3, 4)
    more = {
        "unlisted modules": lambda: np.asarray(Gradient()(function, torch.tensor(rows), 1).values),
        "unlisted deep_lift": lambda: np.asarray(
            DeepLIFT()(function, torch.tensor(rows), 1).values
        ),
        "attention": lambda: np.asarray(Gradient()(pooled, torch.tensor(tokens), 1).values),
        "attention lrp": lambda: np.asarray(LRP()(pooled, torch.tensor(tokens), 1).values),
    }

    def state() -> object:
        overlaps = (running.without_cudnn, running.without_compilation)
        return [
            *common(),
            [(list(vars(module)), module.training) for module in modules],
            [
                {name: len(value) for name, value in vars(module).items() if "_hooks" in name}
                for module in modules
            ],
            [(one.requires_grad, one.grad is None) for one in net.parameters()],
            [bool(getattr(nn.modules.module, name)) for name in everywhere],
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_default_dtype(),
            torch.backends.cudnn.enabled,
            torch._C._get_graph_executor_optimize(),
            torch._C._len_torch_function_stack(),
            torch._C._len_torch_dispatch_stack(),
            dict(running._held),
            running._lock.locked(),
            registering.locked(),
            [(overlap.calls, overlap.open, overlap.lock.locked()) for overlap in overlaps],
            (exported._visitor.get(), exported._arrived.get()),
        ]

    return Subject({**calls(net, pictures(2, 1, 6, 6), "2"), **more}, state)


def of_tensorflow() -> Subject:
    import torch  # noqa: F401, I001  before TensorFlow
    import keras
    import tensorflow as tf
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    from backlight_tensorflow.capture import tracing

    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="conv"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activity_regularizer="l2", name="dense"),
        ]
    )
    layers = net._flatten_layers()

    def state() -> object:
        kept = vars(global_state.GLOBAL_STATE_TRACKER)
        return [
            *common(),
            [(sorted(vars(layer)), "call" in vars(layer), layer.built) for layer in layers],
            [len(layer._losses) for layer in layers],
            {name: value for name, value in kept.items() if "uids" not in name},
            [len(value) for value in kept.values() if isinstance(value, list)],
            (keras.config.floatx(), keras.config.backend(), keras.config.image_data_format()),
            keras.config.is_traceback_filtering_enabled(),
            tf.executing_eagerly(),
            len(ops._default_graph_stack.stack),
            (context.context().device_name, context.context().scope_name),
            context.context()._thread_local_data.is_eager,
            ops.get_name_scope(),
            tracing.LOCK._is_owned(),
        ]

    weights = tf.Variable(pictures(4, 3))

    @tf.function
    def function(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x) @ weights

    rows = tf.constant(pictures(2, 4))
    more = {"a function": lambda: np.asarray(DeepLIFT()(function, rows, 1).values)}
    return Subject({**calls(net, pictures(2, 6, 6, 1), "conv"), **more}, state)


def of_jax() -> Subject:
    import jax
    import jax.numpy as jnp
    from jax._src import config, core, source_info_util

    kernel, weights = jnp.asarray(pictures(3, 3, 1, 3)), jnp.asarray(pictures(27, 3))

    def net(x: jax.Array) -> jax.Array:
        with jax.named_scope("conv"):
            x = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x)
        x = x.reshape(-1, 3, 2, 3, 2, 3).max((2, 4))
        return x.reshape(len(x), -1) @ weights

    model = backlight.wrap(net, "jax")
    sites = model.sites(pictures(2, 6, 6, 1))
    site = next(one.name for one in sites if len(one.shape) == 4)

    def state() -> object:
        return [
            *common(),
            dict(jax.config.values),
            config.trace_context(),
            core.trace_state_clean(),
            str(source_info_util.current_name_stack()),
        ]

    return Subject(calls(net, jnp.asarray(pictures(2, 6, 6, 1)), site), state)
