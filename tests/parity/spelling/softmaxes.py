"""Softmax, log-softmax and logsumexp along the last axis."""

from typing import Any

import keras
from jax import lax

from backlight.rules.operations import Kind
from tests import tape
from tests.parity.spelling.family import Family
from tests.tape import arrays as functions


def off(ops: Any, x: Any) -> Any:
    return x - ops.max(x)


SOFTMAXES: dict[str, Family] = {
    "softmax": Family(
        (Kind.SOFTMAX,),
        tape.softmax,
        {
            "library": lambda ops, x: ops.softmax(x),
            "exp": lambda ops, x: ops.exp(x) / ops.sum(ops.exp(x)),
            "off maximum": lambda ops, x: ops.exp(off(ops, x)) / ops.sum(ops.exp(off(ops, x))),
            "off stopped maximum": lambda ops, x: (
                ops.exp(x - ops.stopped(ops.max(x))) / ops.sum(ops.exp(x - ops.stopped(ops.max(x))))
            ),
            "times reciprocal": lambda ops, x: ops.exp(x) * (1 / ops.sum(ops.exp(x))),
            "exp of log_softmax": lambda ops, x: ops.exp(ops.log_softmax(x)),
            "less logsumexp": lambda ops, x: ops.exp(x - ops.logsumexp(x)),
            "less log of sum": lambda ops, x: ops.exp(x - ops.log(ops.sum(ops.exp(x)))),
        },
        tensorflow={"keras.ops": lambda ops, x: keras.ops.softmax(x)},
        jax={"lax": lambda ops, x: lax.exp(x) / lax.exp(x).sum(-1, keepdims=True)},
    ),
    "log_softmax": Family(
        (Kind.LOG_SOFTMAX,),
        tape.log_softmax,
        {
            "library": lambda ops, x: ops.log_softmax(x),
            "less logsumexp": lambda ops, x: x - ops.logsumexp(x),
            "less log of sum": lambda ops, x: x - ops.log(ops.sum(ops.exp(x))),
            "off maximum": lambda ops, x: off(ops, x) - ops.log(ops.sum(ops.exp(off(ops, x)))),
            "log of softmax": lambda ops, x: ops.log(ops.softmax(x)),
        },
    ),
    "logsumexp": Family(
        (Kind.LOGSUMEXP,),
        lambda x: functions.expand_dims(tape.logsumexp(x), axis=-1),
        {
            "library": lambda ops, x: ops.logsumexp(x),
            "log": lambda ops, x: ops.log(ops.sum(ops.exp(x))),
            "off maximum": lambda ops, x: ops.log(ops.sum(ops.exp(off(ops, x)))) + ops.max(x),
            "maximum first": lambda ops, x: ops.max(x) + ops.log(ops.sum(ops.exp(off(ops, x)))),
            "off stopped maximum": lambda ops, x: (
                ops.log(ops.sum(ops.exp(x - ops.stopped(ops.max(x))))) + ops.stopped(ops.max(x))
            ),
        },
    ),
}  # fmt: skip
