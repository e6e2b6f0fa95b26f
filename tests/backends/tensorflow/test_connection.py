"""Where gradients are cut in TensorFlow and Keras nets, judged by GradientTape and by what changes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import backlight
from backlight.explaining.targets import Target, as_score
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.scores.class_scores import LogProbability, Probability

W = tf.constant(np.random.default_rng(1).normal(size=(4, 3)))
TABLE = tf.constant(np.random.default_rng(2).normal(size=(9, 3)))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    keras.utils.set_random_seed(0)
    # It counts the operations without a name of their own. Looking for garbage takes 0.7 seconds
    # where all four frameworks are loaded.
    keras.utils.clear_session(free_memory=False)
    yield
    backlight.forget()


def numbers(*shape: int, seed: int = 0) -> Any:
    return 2 * np.random.default_rng(seed).normal(size=shape)


def connection(net: Any, x: Any, target: Target = 1, at: str | None = None) -> Connection:
    model = backlight.wrap(net)
    inputs = model.prepare(x)
    score = as_score(target).bind(model.outputs(inputs), inputs.count)  # type: ignore[arg-type]
    return model.connection(inputs, score, at=at)


def judged(net: Any, xs: tuple[Any, ...], call: Callable[..., Any]) -> Connection:
    """The connection, after a look at what GradientTape gives and at what other inputs change."""
    given = [tf.constant(x) for x in xs]
    found = connection(net, tuple(given) if len(xs) > 1 else given[0])
    with tf.GradientTape() as tape:
        tape.watch(given)
        score = tf.reduce_sum(call(*given)[:, 1])
    gradients = tape.gradient(score, given)
    assert found.reached == tuple(
        each is not None and bool(np.any(tf.convert_to_tensor(each))) for each in gradients
    )
    for at, depends in enumerate(found.depends):
        other = [*given]
        other[at] = tf.constant(numbers(*xs[at].shape, seed=7).astype(xs[at].dtype))
        assert depends == bool(np.any(call(*given)[:, 1] != call(*other)[:, 1]))
    return found


def softmax(x: Any) -> Any:
    exponential = tf.exp(x - tf.stop_gradient(tf.reduce_max(x, axis=1, keepdims=True)))
    return exponential / tf.reduce_sum(exponential, axis=1, keepdims=True)


def standardized(x: Any) -> Any:
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-3)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def silent(x: Any) -> Any:
    return tf.tanh(x), lambda grad: None


@tf.custom_gradient  # type: ignore[untyped-decorator]
def nothing(x: Any) -> Any:
    return tf.tanh(x), lambda grad: tf.zeros_like(grad)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def straight_through(x: Any) -> Any:
    return tf.round(x), lambda grad: grad


def loop(body: Callable[[Any], Any], start: Any) -> Any:
    return tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, body(h)), (0, start))[1]


def looked_up(x: Any) -> Any:
    return tf.gather(TABLE, tf.cast(tf.abs(x[:, 1]), tf.int32) % 9) + 0.0 * x[:, :1]


FLOAT = tf.float64
CUT: dict[str, tuple[Callable[[Any], Any], list[Cut]]] = {
    "stopped": (lambda x: tf.stop_gradient(x) @ W, [Cut("StopGradient", "stop_gradient")]),
    "rounded": (lambda x: tf.round(x) @ W, [Cut("Round", "Round")]),
    "signs": (lambda x: tf.sign(x) @ W, [Cut("Sign", "Sign")]),
    "floor, ceil": (
        lambda x: (tf.floor(x) + tf.math.ceil(x)) @ W,
        [Cut("Floor", "Floor"), Cut("Ceil", "Ceil")],
    ),
    "integers": (
        lambda x: tf.gather(TABLE, tf.cast(tf.abs(x[:, 1]), tf.int32) % 9),
        [Cut("Cast", "cast to int32")],
    ),
    "the largest": (
        lambda x: tf.one_hot(tf.argmax(x, 1), 4, dtype=FLOAT) @ W,
        [Cut("ArgMax", "ArgMax")],
    ),
    "only a test": (lambda x: tf.cast(x > 0, FLOAT) @ W, [Cut("Greater", "Greater")]),
    "silent": (lambda x: silent(x) @ W, [Cut("IdentityN", "custom_gradient")]),
    "nothing": (lambda x: nothing(x) @ W, [Cut("IdentityN", "custom_gradient")]),
    "in a loop": (
        lambda x: loop(lambda h: tf.tanh(h) + tf.round(x), tf.zeros_like(x)) @ W,
        [Cut("while[0]", "Round")],
    ),
    "at the end of a loop": (
        lambda x: loop(tf.stop_gradient, x) @ W,
        [Cut("while[0]", "stop_gradient")],
    ),
    "how often": (
        lambda x: (
            tf.while_loop(
                lambda h: tf.reduce_sum(h) < 20.0 + tf.reduce_sum(x),
                lambda h: (h + 0.02,),
                (tf.ones_like(x),),
            )[0]
            @ W
        ),
        [Cut("while[0]", "Less")],
    ),
    "in both branches": (
        lambda x: (
            tf.cond(tf.reduce_sum(x) > 0, lambda: tf.stop_gradient(x), lambda: tf.round(x)) @ W
        ),
        [Cut("cond", "stop_gradient"), Cut("cond", "Round")],
    ),
    "mapped": (lambda x: tf.map_fn(tf.round, x) @ W, [Cut("map/while[0]", "Round")]),
    "a score within": (
        lambda x: tf.stop_gradient(tf.nn.relu(x)) * tf.cast(x > 0, FLOAT) @ W,
        [Cut("StopGradient", "stop_gradient")],
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_nothing_gets_through_where_every_way_is_cut(name: str) -> None:
    call, cuts = CUT[name]
    found = judged(tf.function(call), (numbers(3, 4),), call)
    assert found == Connection((False,), (True,), tuple(cuts))


OPEN: dict[str, tuple[Callable[[Any], Any], list[Cut]]] = {
    "plain": (lambda x: tf.nn.relu(x) @ W, []),
    "a rectifier by hand": (lambda x: tf.where(x > 0, x, 0.0) @ W, []),
    "a hard choice beside": (lambda x: tf.one_hot(tf.argmax(x, 1), 4, dtype=FLOAT) @ W + x @ W, []),
    "softmax by hand": (lambda x: softmax(x) @ W, []),
    "the logarithm of a sum": (lambda x: tf.reduce_logsumexp(x, 1, keepdims=True) * W[0], []),
    "a mean held constant": (lambda x: standardized(x) @ W, []),
    "fake quantization": (
        lambda x: (
            tf.cast(tf.quantization.fake_quant_with_min_max_args(tf.cast(x, tf.float32)), FLOAT) @ W
        ),
        [],
    ),
    "straight through": (lambda x: straight_through(x) @ W, []),
    "recomputed": (lambda x: tf.recompute_grad(tf.tanh)(x) @ W, []),
    "sorted": (lambda x: tf.sort(x, axis=1) @ W, []),
    "a loop": (lambda x: loop(tf.tanh, x) @ W, []),
    "a list": (lambda x: tf.map_fn(tf.tanh, x) @ W, []),
    "one column": (
        lambda x: tf.concat([x[:, :1], looked_up(x)], 1) @ tf.concat([W[:1], W[:3]], 0),
        [Cut("Cast", "cast to int32")],
    ),
    "beside a floor": (lambda x: (x + tf.floor(x)) @ W, [Cut("Floor", "Floor")]),
    "in one branch": (
        lambda x: tf.cond(tf.reduce_sum(x) < 99, lambda: x, lambda: tf.round(x)) @ W,
        [Cut("cond", "Round")],
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_gets_through_and_what_is_cut_beside_it(name: str) -> None:
    call, cuts = OPEN[name]
    found = judged(tf.function(call), (numbers(3, 4),), call)
    assert found == Connection((True,), (True,), tuple(cuts))


def test_each_of_several_inputs() -> None:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def halfway(x: Any, y: Any) -> Any:
        return x * tf.tanh(y), lambda grad: (grad * y, None)

    def sizes(a: Any, b: Any) -> Any:
        return b @ W * tf.cast(tf.shape(a)[0], FLOAT)

    calls: list[tuple[Callable[[Any, Any], Any], Connection]] = [
        (
            lambda a, b: (tf.stop_gradient(a) + b) @ W,
            Connection((False, True), (True, True), (Cut("StopGradient", "stop_gradient"),)),
        ),
        (
            lambda a, b: halfway(a, b) @ W,
            Connection((True, False), (True, True), (Cut("IdentityN", "custom_gradient"),)),
        ),
        (lambda a, b: b @ W, Connection((False, True), (False, True))),
        (sizes, Connection((False, True), (False, True))),
        (
            lambda a, b: tf.where(a > 0, b, 0.0) @ W,
            Connection((False, True), (True, True), (Cut("Greater", "Greater"),)),
        ),
    ]
    for call, expected in calls:
        xs = numbers(3, 4), numbers(3, 4, seed=1)
        assert judged(tf.function(call), xs, call) == expected


def keras_net(
    make: Callable[[Any], Any], shape: tuple[int, ...] = (4,), dtype: str = "float32"
) -> keras.Model:
    x = keras.Input(shape, dtype=dtype)
    return keras.Model(x, make(x))


class Rounding(layers.Layer):
    """A cell of a recurrent layer that rounds what it is given."""

    state_size = 3

    def call(self, x: Any, states: Any) -> Any:
        found = ops.round(x[:, :3]) + 0.5 * states[0]
        return found, [found]


class Standardizing(layers.Layer):
    """A cell of a recurrent layer that takes the mean away from what it is given."""

    state_size = 4

    def call(self, x: Any, states: Any) -> Any:
        found = standardized(x) + 0.5 * states[0]
        return found, [found]


def dense(x: Any) -> Any:
    return layers.Dense(3)(x)


embedding = lambda: layers.Embedding(9, 3, name="embedding")  # noqa: E731
KERAS: dict[str, tuple[Callable[[Any], Any], bool, list[Cut]]] = {
    "stopped": (
        lambda x: dense(ops.stop_gradient(dense(x))),
        False,
        [Cut("stop_gradient", "stop_gradient")],
    ),
    "looked up": (
        lambda x: dense(layers.Flatten()(embedding()(ops.abs(x)))),
        False,
        [Cut("embedding", "cast to int32")],
    ),
    "one column looked up": (
        lambda x: dense(
            layers.Concatenate()([x[:, :1], layers.Flatten()(embedding()(ops.abs(x[:, 1:2])))])
        ),
        True,
        [Cut("embedding", "cast to int32")],
    ),
    "hashed": (
        lambda x: dense(
            layers.Flatten()(embedding()(layers.Hashing(9)(layers.Lambda(whole, name="whole")(x))))
        ),
        False,
        [Cut("whole", "cast to int32")],
    ),
    "in bins": (
        lambda x: dense(
            layers.Discretization([-1.0, -0.5, 0.0, 0.5, 1.0], output_mode="one_hot", name="bins")(
                x[:, :1]
            )
        ),
        False,
        [Cut("bins", "Bucketize")],
    ),
    "categories": (
        lambda x: dense(layers.CategoryEncoding(9, "multi_hot", name="categories")(ops.abs(x))),
        False,
        [Cut("categories", "cast to int32")],
    ),
    "rescaled": (lambda x: dense(layers.Rescaling(2.0, 1.0)(x)), True, []),
    "standardized": (
        lambda x: dense(layers.Normalization(mean=0.0, variance=2.0)(layers.Dropout(0.5)(x))),
        True,
        [],
    ),
}


def whole(x: Any) -> Any:
    return ops.cast(x, "int32")


@pytest.mark.parametrize("name", KERAS)
def test_layers_that_cut(name: str) -> None:
    make, reached, cuts = KERAS[name]
    net = keras_net(make)
    found = judged(net, (numbers(3, 4).astype("float32"),), lambda x: net(x, training=False))
    assert found == Connection((reached,), (True,), tuple(cuts))


SEQUENCES: dict[str, tuple[Callable[[Any], Any], bool, list[Cut]]] = {
    "masked": (lambda x: dense(layers.LSTM(3)(layers.Masking()(x))), True, []),
    "attention": (
        lambda x: dense(
            layers.GlobalAveragePooling1D()(
                layers.MultiHeadAttention(1, 2)(*[layers.Masking()(x)] * 2)
            )
        ),
        True,
        [],
    ),
    "both ways": (lambda x: dense(layers.Bidirectional(layers.GRU(2))(x)), True, []),
    "moments": (lambda x: dense(layers.RNN(Standardizing(), name="steps")(x)), True, []),
    "rounding": (
        lambda x: dense(layers.RNN(Rounding(), name="steps")(x)),
        False,
        [Cut("steps", "Round")],
    ),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_masks_are_no_cuts_and_loops_are_looked_into(name: str) -> None:
    make, reached, cuts = SEQUENCES[name]
    net = keras_net(make, (5, 4))
    found = judged(net, (numbers(3, 5, 4).astype("float32"),), lambda x: net(x, training=False))
    assert found == Connection((reached,), (True,), tuple(cuts))


def test_from_a_site_and_to_any_score() -> None:
    def make(x: Any) -> Any:
        first = layers.Dense(3, name="first")(ops.round(x))
        return layers.Dense(3, name="last")(ops.stop_gradient(first))

    net, x = keras_net(make), numbers(3, 4).astype("float32")
    stopped, rounded = Cut("stop_gradient", "stop_gradient"), Cut("round", "Round")
    assert connection(net, x) == Connection((False,), (True,), (rounded,))
    assert connection(net, x, at="first") == Connection((False,), (True,), (stopped,))
    assert connection(net, x, LogProbability(2), at="last") == Connection((True,), (True,))
    assert connection(net, x, Probability(0), at="round").cuts == (stopped,)

    def chosen(outputs: Any, arrays: Any) -> Any:
        return tf.stop_gradient(outputs[:, 0])

    assert connection(net, x, chosen, at="last").cuts == (Cut("last", "stop_gradient"),)


def test_token_ids_have_no_derivative_of_their_own() -> None:
    net = keras_net(lambda x: dense(layers.Flatten()(embedding()(x))), dtype="int32")
    ids = np.arange(8).reshape(2, 4)
    assert connection(net, ids) == Connection((False,), (True,))
    assert connection(net, ids, at="embedding") == Connection((True,), (True,))


def test_cuts_of_a_saved_model(tmp_path: Path) -> None:
    x = keras.Input((4,))
    keras.Model(x, dense(ops.round(x))).export(tmp_path, verbose=False)
    found = connection(tf.saved_model.load(tmp_path), numbers(2, 4).astype("float32"))
    assert (found.reached, found.depends) == ((False,), (True,))
    assert [cut.type for cut in found.cuts] == ["Round"]
    assert "Round" in found.cuts[0].name
