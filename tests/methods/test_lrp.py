"""LRP and excitation backprop against loops over relevances, as the papers write them."""

from collections.abc import Callable

import numpy as np
import pytest

from backlight.errors import CoverageError, HyperParameterError
from backlight_methods import (
    COMPOSITES,
    LRP,
    Composite,
    ExcitationBackprop,
    GuidedBackprop,
    HiResCAM,
    InputXGradient,
)
from backlight_methods.lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox
from tests import tape
from tests.methods.judges import any_numbers, closed_form
from tests.reference import ReferenceModel, places_by_shapes
from tests.tape import arrays as functions

pytestmark = [*any_numbers, places_by_shapes]

CLOSE = {"rtol": 1e-7, "atol": 1e-10}
"""Rules add 1e-9 to what they divide by, which the loops here do not."""
EXACT = {"rtol": 1e-11, "atol": 1e-13}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


W1, W2, W3 = random(5, 6), random(6, 4, seed=1), random(4, 3, seed=2)
B1, B2, B3 = random(6, seed=3), random(4, seed=4), random(3, seed=5)


def mlp(biases: bool = True) -> ReferenceModel:
    b1, b2, b3 = (B1, B2, B3) if biases else (None, None, None)
    return ReferenceModel(
        ("first", lambda x: tape.relu(tape.dense(x, W1, b1))),
        ("second", lambda x: tape.relu(tape.dense(x, W2, b2))),
        ("head", lambda x: tape.dense(x, W3, b3)),
    )


Share = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From inputs (I,), weights (I, J) and bias (J,) to what of the relevance of j goes to i, (I, J)."""


def relevance(row: np.ndarray, k: int, shares: list[Share]) -> np.ndarray:
    """Layer by layer, neuron by neuron; rectifiers hand relevance on."""
    a1 = np.maximum(row @ W1 + B1, 0)
    a2 = np.maximum(a1 @ W2 + B2, 0)
    found = np.zeros(3)
    found[k] = (a2 @ W3 + B3)[k]
    for share, a, w, b in zip(shares[::-1], (a2, a1, row), (W3, W2, W1), (B3, B2, B1), strict=True):
        found = share(a, w, b) @ found
    return found


def epsilon(size: float) -> Share:
    def share(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        z = a @ w + b
        return a[:, None] * w / (z + np.where(z < 0, -size, size))

    return share


def gamma(size: float) -> Share:
    def share(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        # Contributions of the sign of the sum count 1 + gamma times.
        parts = np.vstack([a[:, None] * w, b])
        z = parts.sum(0)
        parts = parts + size * np.where(np.sign(parts) == np.sign(z), parts, 0)
        return parts[:-1] / parts.sum(0)

    return share


def alpha_beta(alpha: float, beta: float, bias: bool = True) -> Share:
    def share(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        parts = np.vstack([a[:, None] * w, b if bias else 0 * b])
        plus, minus = np.maximum(parts, 0), np.minimum(parts, 0)
        gains, losses = plus.sum(0), minus.sum(0)
        up = plus / np.where(gains > 0, gains, 1)
        down = minus / np.where(losses < 0, losses, 1)
        return (alpha * up - beta * down)[:-1]

    return share


def flat(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.full(w.shape, 1 / len(a))


def w_square(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return w**2 / (w**2).sum(0)


def z_box(low: float, high: float) -> Share:
    def share(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        parts = a[:, None] * w - low * np.maximum(w, 0) - high * np.minimum(w, 0)
        return parts / parts.sum(0)

    return share


CASES: dict[str, tuple[Composite, list[Share]]] = {
    "epsilon": (COMPOSITES["epsilon"], [epsilon(1e-6)] * 3),
    "large_epsilon": (Composite(dense=Epsilon(0.3)), [epsilon(0.3)] * 3),
    "gamma": (Composite(dense=Gamma(0.25)), [gamma(0.25)] * 3),
    "large_gamma": (Composite(dense=Gamma(10.0)), [gamma(10.0)] * 3),
    "z_plus": (COMPOSITES["z_plus"], [alpha_beta(1, 0)] * 3),
    "z_plus_without_bias": (Composite(dense=AlphaBeta(bias=False)), [alpha_beta(1, 0, False)] * 3),
    "alpha2_beta1": (COMPOSITES["alpha2_beta1"], [alpha_beta(2, 1)] * 3),
    "flat": (
        Composite(first=Flat(), dense=AlphaBeta(), last=Epsilon(0.1)),
        [flat, alpha_beta(1, 0), epsilon(0.1)],
    ),
    "w_square": (
        Composite(first=WSquare(), dense=Epsilon(0.1)),
        [w_square, epsilon(0.1), epsilon(0.1)],
    ),
    "z_box": (
        Composite(first=ZBox(-3.0, 3.5), dense=Gamma(0.5)),
        [z_box(-3.0, 3.5), gamma(0.5), gamma(0.5)],
    ),
    "named": (
        Composite(named=(("sec*", Gamma(2.0)), ("head", AlphaBeta(2.0, 1.0))), dense=Epsilon(0.1)),
        [epsilon(0.1), gamma(2.0), alpha_beta(2, 1)],
    ),
}


@closed_form("lrp")
@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
def test_relevance_layer_by_layer(name: str, k: int) -> None:
    composite, shares = CASES[name]
    x = random(10, 5, seed=9)
    found = LRP(composite=composite)(mlp(), x, k)
    expected = np.array([relevance(row, k, shares) for row in x])
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)
    gap = np.abs(expected.sum(1) - found.score)
    np.testing.assert_allclose(found.gap, gap, rtol=1e-5, atol=1e-7)


@closed_form("lrp")
def test_the_box_of_an_example_is_its_own_range_where_nothing_is_said() -> None:
    x = random(4, 5, seed=9)
    composite = Composite(first=ZBox(), dense=Epsilon(0.1))
    found = LRP(composite=composite)(mlp(), x, 1)
    for row, values in zip(x, found.values, strict=True):
        shares = [z_box(row.min(), row.max()), epsilon(0.1), epsilon(0.1)]
        np.testing.assert_allclose(values, relevance(row, 1, shares), **CLOSE)


@pytest.mark.parametrize("name", ["epsilon", "gamma", "z_plus", "alpha2_beta1"])
def test_without_biases_relevance_is_conserved(name: str) -> None:
    # Wide layers: every neuron has contributions of both signs.
    weights = random(24, 30), random(30, 30, seed=1), random(30, 3, seed=2)
    model = ReferenceModel(
        ("first", lambda x: tape.relu(tape.dense(x, weights[0]))),
        ("second", lambda x: tape.relu(tape.dense(x, weights[1]))),
        ("head", lambda x: tape.dense(x, weights[2])),
    )
    found = LRP(composite=name)(model, random(10, 24, seed=9), 0)
    assert (found.gap <= 1e-4 * np.abs(found.score)).all()
    assert (np.abs(found.score) > 0.1).all()


def test_epsilon_0_on_a_piecewise_linear_net_is_input_times_gradient() -> None:
    x = random(10, 5, seed=9)
    found = LRP(composite=Composite(dense=Epsilon(0.0)))(mlp(), x, 2)
    expected = InputXGradient()(mlp(), x, 2)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6, atol=1e-8)


# Convolutions

KERNEL, BIAS = random(3, 2, 3, 3), random(3)
HEAD = random(12, 2)


def cnn(pool: bool = True) -> ReferenceModel:
    return ReferenceModel(
        ("conv", lambda x: tape.relu(tape.convolution(x, KERNEL, BIAS))),
        ("pool", lambda x: tape.max_pool(x, 3, 2)),
        ("flat", lambda x: functions.reshape(x, (x.shape[0], -1))),
        ("head", lambda x: tape.dense(x, HEAD)),
    )


@closed_form("lrp")
@pytest.mark.parametrize(
    ("composite", "first"),
    [
        ("epsilon_plus", alpha_beta(1, 0)),
        ("epsilon_alpha2_beta1", alpha_beta(2, 1)),
        ("epsilon", epsilon(1e-6)),
    ],
)
def test_convolutions_and_winners_place_by_place(composite: str, first: Share) -> None:
    x = random(2, 2, 7, 7, seed=9)
    found = LRP(composite=composite)(cnn(), x, 1)
    for row, values in zip(x, found.values, strict=True):
        z = np.zeros((3, 5, 5))
        for o, i, j in np.ndindex(z.shape):
            z[o, i, j] = (KERNEL[o] * row[:, i : i + 3, j : j + 3]).sum() + BIAS[o]
        a = np.maximum(z, 0)
        pooled = {
            (c, i, j): max(
                (a[c, p, q], -p, -q)
                for p in range(2 * i, 2 * i + 3)
                for q in range(2 * j, 2 * j + 3)
            )
            for c, i, j in np.ndindex(3, 2, 2)
        }
        flat_values = np.array([best[0] for best in pooled.values()])
        at_head = epsilon(1e-6)(flat_values, HEAD, np.zeros(2))[:, 1] * (flat_values @ HEAD)[1]
        hidden = np.zeros_like(a)
        for (place, (_, p, q)), part in zip(pooled.items(), at_head, strict=True):
            hidden[place[0], -p, -q] += part
        expected = np.zeros_like(row)
        for o, i, j in np.ndindex(z.shape):
            patch = row[:, i : i + 3, j : j + 3]
            share = first(patch.reshape(-1), KERNEL[o].reshape(-1, 1), BIAS[o : o + 1])[:, 0]
            expected[:, i : i + 3, j : j + 3] += (share * hidden[o, i, j]).reshape(patch.shape)
        np.testing.assert_allclose(values, expected, **CLOSE)


@pytest.mark.parametrize("backward", ["guided_backprop", "lrp"])
def test_class_activation_maps_take_what_goes_back_by_rules(backward: str) -> None:
    x = random(2, 2, 7, 7, seed=9)
    at, technique = ("conv", LRP()) if backward == "lrp" else ("pool", GuidedBackprop())
    model = ReferenceModel(
        *cnn().stages[:2],
        ("second", lambda x: tape.relu(tape.convolution(x, random(3, 3, 2, 2)))),
        ("flat", cnn().stages[2][1]),
        ("head", lambda x: tape.dense(x, random(3, 2))),
    )
    back = np.asarray(technique(model, x, 1, at=at).values)
    value = np.asarray(model.activation(model.prepare(x), at))
    expected = back if backward == "lrp" else back * value
    found = HiResCAM(backward=backward, upsample="none")(model, x, 1, at=at)
    np.testing.assert_allclose(found.values, expected.sum(1), **EXACT)


# What is not linear


@closed_form("lrp")
def test_activations_hand_relevance_on() -> None:
    x = random(6, 5, seed=9)
    model = ReferenceModel(
        ("first", lambda x: tape.silu(tape.dense(x, W1, B1))), ("head", lambda x: tape.dense(x, W2))
    )
    found = LRP(composite=Composite(dense=Epsilon(0.1)))(model, x, 1)
    for row, values in zip(x, found.values, strict=True):
        z = row @ W1 + B1
        a = z / (1 + np.exp(-z))
        at_hidden = epsilon(0.1)(a, W2, np.zeros(4))[:, 1] * (a @ W2)[1]
        np.testing.assert_allclose(values, epsilon(0.1)(row, W1, B1) @ at_hidden, **CLOSE)


@closed_form("lrp")
def test_what_a_function_gives_for_0_keeps_its_share() -> None:
    x = np.concatenate([random(6, 5, seed=9), 1e-9 * random(3, 5, seed=9), np.zeros((1, 5))])
    model = ReferenceModel(
        ("gate", lambda x: tape.sigmoid(tape.dense(x, W1))), ("head", lambda x: tape.dense(x, W2))
    )
    found = LRP(composite=Composite(dense=Epsilon(0.1)))(model, x, 1)
    for row, values in zip(x, found.values, strict=True):
        z = row @ W1
        a = 1 / (1 + np.exp(-z))
        at_gate = epsilon(0.1)(a, W2, np.zeros(4))[:, 1] * (a @ W2)[1]
        # tanh(z / 2) / 2 is sigmoid(z) - 1 / 2, with all its digits.
        at_sum = at_gate * np.tanh(z / 2) / 2 / a
        np.testing.assert_allclose(
            values, epsilon(0.1)(row, W1, np.zeros(6)) @ at_sum, atol=1e-15, rtol=1e-6
        )


@closed_form("lrp")
@pytest.mark.parametrize("spelling", ["quotient", "product"])
def test_a_divisor_counts_as_a_constant(spelling: str) -> None:
    x = random(6, 5, seed=9)

    def divided(i):
        size = functions.sum(i * i, axis=1, keepdims=True) + 1.0
        return tape.dense(i / size if spelling == "quotient" else i * (1.0 / size), W1)

    found = LRP(composite=Composite(dense=Epsilon(0.1)))(ReferenceModel(("net", divided)), x, 1)
    for row, values in zip(x, found.values, strict=True):
        y = row / (row @ row + 1)
        expected = epsilon(0.1)(y, W1, np.zeros(6))[:, 1] * (y @ W1)[1]
        np.testing.assert_allclose(values, expected, **CLOSE)


@closed_form("lrp")
def test_factors_share_relevance_equally() -> None:
    x = random(6, 5, seed=9)
    model = ReferenceModel(("gate", lambda x: tape.dense(x, W1) * tape.dense(x, W1[:, ::-1])))
    found = LRP(composite=Composite(dense=Epsilon(0.1)))(model, x, 1)
    for row, values in zip(x, found.values, strict=True):
        a, b = row @ W1, row @ W1[:, ::-1]
        half = a[1] * b[1] / 2
        expected = (
            epsilon(0.1)(row, W1, np.zeros(6))[:, 1]
            + epsilon(0.1)(row, W1[:, ::-1], np.zeros(6))[:, 1]
        ) * half
        np.testing.assert_allclose(values, expected, **CLOSE)


@closed_form("lrp")
def test_attention_by_the_rules_of_attnlrp() -> None:
    """Equations 13 to 15 and proposition 3.1 of Achtibat et al., for one query, index by index."""
    keys, values_of, query = random(3, 3), random(3, 2, seed=1), random(3, seed=2)

    def attend(x):  # (N, 4, 3): tokens
        scores = tape.dense(tape.dense(x, keys), query[:, None])  # (N, 4, 1)
        weights = tape.softmax(functions.permute_dims(scores, (0, 2, 1)))  # (N, 1, 4)
        return functions.reshape(tape.matmul(weights, tape.dense(x, values_of)), (x.shape[0], 2))

    x = random(5, 4, 3, seed=9)
    size = 1e-6
    found = LRP(composite="epsilon")(ReferenceModel(("attend", attend)), x, 1)
    for row, got in zip(x, found.values, strict=True):
        projected = row @ keys
        s = projected @ query
        p = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
        v = row @ values_of
        out = p @ v[:, 1]
        stable = out + np.copysign(size, out)
        # Both factors of p_t v_t get half of its share of the relevance `out`.
        to_p = p * v[:, 1] / stable * out / 2
        to_v = to_p.copy()
        # Softmax: R_t = s_t (R_p_t - p_t sum R_p).
        to_s = s * (to_p - p * to_p.sum())
        expected = np.zeros_like(row)
        for t in range(4):
            back = epsilon(size)(projected[t], query[:, None], np.zeros(1))[:, 0] * to_s[t]
            expected[t] += epsilon(size)(row[t], keys, np.zeros(3)) @ back
            expected[t] += epsilon(size)(row[t], values_of, np.zeros(2))[:, 1] * to_v[t]
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


@closed_form("lrp")
def test_normalisations_count_as_constant_scales() -> None:
    x = random(6, 5, seed=9)
    model = ReferenceModel(("normed", lambda x: tape.dense(tape.layer_norm(x), W1)))
    found = LRP(composite=Composite(dense=Epsilon(0.1)))(model, x, 1)
    for row, values in zip(x, found.values, strict=True):
        size = np.sqrt(row.var() + 1e-5)
        normal = (row - row.mean()) / size
        multiplier = (
            W1[:, 1] * (normal @ W1)[1] / ((normal @ W1)[1] + np.copysign(0.1, (normal @ W1)[1]))
        )
        np.testing.assert_allclose(values, row * (multiplier - multiplier.mean()) / size, **EXACT)


# What is refused or told


def test_a_rule_for_the_input_is_refused_where_the_input_is_not() -> None:
    composite = Composite(named=(("second", Flat()),))
    with pytest.raises(CoverageError, match="dense at second"):
        LRP(composite=composite)(mlp(), random(2, 5), 1)


def test_a_rule_for_the_first_layer_needs_a_first_layer() -> None:
    model = ReferenceModel(("head", lambda x: tape.dense(tape.relu(x), W1)))
    with pytest.raises(CoverageError, match="relu at head"):
        LRP(composite="epsilon_plus_flat")(model, random(2, 5), 1)


def test_a_scale_and_a_shift_of_the_pixels_do_not_matter_to_a_rule_for_pixels() -> None:
    x = random(4, 5, seed=9)
    plain = LRP(composite=Composite(first=Flat()))(mlp(), x, 1)
    scaled = ReferenceModel(("scale", lambda x: (x - 3.0) * 2.0), *mlp().stages)
    found = LRP(composite=Composite(first=Flat()))(scaled, x / 2.0 + 3.0, 1)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-9, atol=1e-11)


def test_an_operation_without_a_rule_is_named() -> None:
    model = ReferenceModel(("odd", lambda x: tape.dense(tape.swirl(x), W1)))
    with pytest.warns(UserWarning, match="no rule for swirl at odd"):
        LRP()(model, random(2, 5), 1)


def test_an_unknown_composite_names_those_there_are() -> None:
    with pytest.raises(HyperParameterError, match="'epsilon_plus'"):
        LRP(composite="best")


@pytest.mark.parametrize("name", COMPOSITES)
def test_every_composite_runs_on_a_convolutional_net(name: str) -> None:
    x = random(2, 2, 7, 7, seed=9)
    found = LRP(composite=name)(cnn(), x, 1)
    assert np.isfinite(found.values).all()
    assert np.abs(found.values).max() > 0


# Excitation backprop


@closed_form("excitation_backprop")
def test_the_share_of_all_ways_of_excitation_that_pass_an_input() -> None:
    """Equation 5 as a product of transition matrices, each column the probabilities of one winner."""
    x = np.abs(random(6, 5, seed=9))
    found = ExcitationBackprop()(mlp(biases=False), x, 1)
    for row, values in zip(x, found.values, strict=True):
        a1 = np.maximum(row @ W1, 0)
        a2 = np.maximum(a1 @ W2, 0)
        winners = np.eye(3)[1]
        for a, w in ((a2, W3), (a1, W2), (row, W1)):
            excitation = a[:, None] * np.maximum(w, 0)
            total = excitation.sum(0)
            winners = (excitation / np.where(total > 0, total, 1)) @ winners
        np.testing.assert_allclose(values, winners, rtol=1e-6, atol=1e-8)
        assert (values >= 0).all()


@pytest.mark.parametrize("k", [0, 1, 2])
def test_the_shares_sum_to_1(k: int) -> None:
    x = np.abs(random(6, 5, seed=9))
    shares = np.asarray(ExcitationBackprop()(mlp(biases=False), x, k).values).sum(1)
    reached = shares > 0.5
    assert reached.any()
    np.testing.assert_allclose(shares[reached], 1.0, rtol=1e-5)
