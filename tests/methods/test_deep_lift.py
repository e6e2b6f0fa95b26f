"""DeepLIFT against the paper's examples, algebra, and its own law on every kind of operation."""

from collections.abc import Callable
from dataclasses import replace

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Several
from backlight.errors import CoverageError, HyperParameterError
from backlight.rules.operations import Kind
from backlight_methods import DeepLIFT, InputXGradient
from tests import tape
from tests.methods.judges import any_numbers, closed_form
from tests.reference import ReferenceModel
from tests.tape import arrays as functions

pytestmark = any_numbers

EXACT = {"rtol": 1e-12, "atol": 1e-13}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def net(function: Callable, *more: Callable) -> ReferenceModel:
    return ReferenceModel(*((f"stage{i}", stage) for i, stage in enumerate((function, *more))))


def explained(function: Callable, x: np.ndarray, baseline: object = 0.0, **options: object):
    return DeepLIFT(baseline=baseline, **options)(net(function), x, lambda out, _: out)


# The paper's own examples


@closed_form("deep_lift")
def test_saturated_inputs_share_what_the_gradient_does_not_see() -> None:
    # Figure 1: y = 1 - max(0, 1 - i1 - i2), at i1 = i2 = 1 flat in both.
    def saturating(i):
        hidden = tape.relu(tape.dense(i, np.array([[-1.0], [-1.0]]), np.array([1.0])))
        return 1.0 - hidden[:, 0]

    x = np.array([[1.0, 1.0], [0.4, 0.2]])
    np.testing.assert_allclose(explained(saturating, x).values, [[0.5, 0.5], [0.4, 0.2]], **EXACT)


@closed_form("deep_lift")
@pytest.mark.parametrize("pair", [(3.0, 2.0), (2.0, 3.0), (5.0, 1.0)])
def test_the_minimum_of_two_inputs(pair: tuple[float, float]) -> None:
    # Section 3.4 (of "better approximation to Shapley values"): o = i1 - max(0, i1 - i2) = min(i1, i2).
    def minimum(i):
        hidden = tape.relu(tape.dense(i, np.array([[1.0], [-1.0]])))
        return i[:, 0] - hidden[:, 0]

    x = np.array([pair])
    one, two = pair
    rescaled = explained(minimum, x).values
    expected = [0.0, two] if one > two else [one, 0.0]
    np.testing.assert_allclose(rescaled, [expected], **EXACT)
    revealed = explained(minimum, x, rule="reveal_cancel").values
    np.testing.assert_allclose(revealed, [[min(pair) / 2, min(pair) / 2]], **EXACT)


# The rescale rule

UNARY: dict[str, tuple[Callable, Callable[[np.ndarray], np.ndarray]]] = {
    "relu": (tape.relu, lambda x: np.maximum(x, 0)),
    "relu6": (tape.relu6, lambda x: np.clip(x, 0, 6)),
    "sigmoid": (tape.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "tanh": (tape.tanh, np.tanh),
    "silu": (tape.silu, lambda x: x / (1 + np.exp(-x))),
    "exp": (tape.exp, np.exp),
    "abs": (functions.abs, np.abs),
    "square": (lambda x: x**2, np.square),
    "reciprocal": (lambda x: 1.0 / (x**2 + 1.0), lambda x: 1 / (x * x + 1)),
}


@closed_form("deep_lift")
@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_each_number_has_the_quotient_of_the_differences(name: str) -> None:
    function, numpy = UNARY[name]
    weight, x, baseline = random(4), 2 * random(50, 4, seed=1), 2 * random(4, seed=2)
    found = explained(
        lambda i: functions.sum(function(i) * strict.asarray(weight), axis=1), x, baseline
    )
    expected = weight * (numpy(x) - numpy(baseline))
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.baseline_score, (weight * numpy(baseline)).sum(), **EXACT)


def test_the_multiplier_keeps_its_digits_however_near_the_baseline_is() -> None:
    start = 0.7
    way = np.concatenate([[0.0], 10.0 ** np.arange(-17, 1)])
    x = (start + way)[:, None]
    found = DeepLIFT(baseline=start)(net(lambda i: tape.exp(i)[:, 0]), x, lambda out, _: out)
    moved = x[:, 0] - start
    expected = np.exp(start) * np.expm1(moved)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-9)


def test_the_multiplier_of_a_square_is_exact() -> None:
    start = 0.7
    x = (start + np.concatenate([[0.0], 10.0 ** np.arange(-17, 1)]))[:, None]
    found = DeepLIFT(baseline=start)(net(lambda i: (i**2)[:, 0]), x, lambda out, _: out)
    np.testing.assert_allclose(found.values, (x - start) * (x + start), rtol=1e-15)


@pytest.mark.parametrize("at", [0.0, 6.0])
def test_a_kink_near_the_baseline_is_not_smoothed(at: float) -> None:
    x = at + np.array([[-1e-7], [-1e-9], [1e-9], [1e-7]])
    for start in (at - 3e-8, at + 3e-8):
        found = explained(lambda i: tape.relu6(i)[:, 0], x, start)
        expected = np.clip(x, 0, 6) - np.clip(start, 0, 6)
        np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-22)


def test_where_nothing_moved_there_is_no_attribution_and_no_more_is_said() -> None:
    x = random(3, 4)
    for function, _ in UNARY.values():
        found = explained(lambda i, f=function: functions.sum(f(i), axis=1), x, x)
        np.testing.assert_array_equal(found.values, np.zeros_like(x))
        assert [note.partition(":")[0] for note in found.warnings] == [
            "Every value is exactly 0 for examples 0, 1, 2"
        ]


# Products, quotients, maxima, softmax


@closed_form("deep_lift")
def test_a_product_is_shared_by_the_mean_over_both_orders() -> None:
    x, start = random(20, 2), random(2, seed=1)
    found = explained(lambda i: i[:, 0] * i[:, 1], x, start).values
    (a, b), (a0, b0) = x.T, start
    first_a, then_b = (a - a0) * b0, a * (b - b0)
    first_b, then_a = (b - b0) * a0, b * (a - a0)
    expected = np.stack([(first_a + then_a) / 2, (first_b + then_b) / 2], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@closed_form("deep_lift")
@pytest.mark.parametrize("spelling", ["quotient", "product"])
def test_a_quotient_is_what_its_product_with_the_divisor_says(spelling: str) -> None:
    x, start = random(20, 2), np.array([0.3, 1.7])
    x[:, 1] = np.abs(x[:, 1]) + 0.1

    def function(i):
        return i[:, 0] / i[:, 1] if spelling == "quotient" else i[:, 0] * (2.0 / i[:, 1]) * 0.5

    found = explained(function, x, start).values
    (a, b), (a0, b0) = x.T, start
    y, y0 = a / b, a0 / b0
    expected = np.stack([2 * (a - a0) / (b + b0), -(b - b0) * (y + y0) / (b + b0)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


@closed_form("deep_lift")
def test_across_a_pole_a_quotient_is_a_product_with_the_reciprocal() -> None:
    x, start = random(20, 2), np.array([0.3, 1.7])
    x[:, 1] = -np.abs(x[:, 1]) - 0.1
    found = explained(lambda i: i[:, 0] / i[:, 1], x, start).values
    (a, b), (a0, b0) = x.T, start
    expected = np.stack(
        [((a - a0) / b0 + (a - a0) / b) / 2, (a + a0) * (1 / b - 1 / b0) / 2], axis=1
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


def test_normalisations_of_a_flat_baseline_keep_their_digits() -> None:
    weights = [random(6, 6, seed=s) for s in range(8)]

    def stack(i):
        for weight in weights:
            i = tape.layer_norm(tape.dense(i, weight), epsilon=1e-6)
        return i[:, 0]

    found = explained(stack, random(5, 6), 0.0)
    assert np.abs(found.values).max() < 1e3
    assert found.gap.max() <= 1e-10


@closed_form("deep_lift")
def test_a_gain_goes_to_the_new_maximum_a_loss_to_the_old_one() -> None:
    x = np.array([[1.0, 5.0, 2.0], [1.0, 2.0, 0.0], [0.0, 1.0, 0.5]])
    start = np.array([4.0, 3.0, 0.0])
    found = explained(lambda i: functions.max(i, axis=1), x, start).values
    expected = [[0.0, 1.0, 0.0], [-2.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]
    np.testing.assert_allclose(found, expected, **EXACT)
    found = explained(lambda i: -1.0 * functions.min(-1.0 * i, axis=1), x, start).values
    np.testing.assert_allclose(found, expected, **EXACT)


@closed_form("deep_lift")
def test_a_softmax_of_two_is_a_sigmoid() -> None:
    x, start = 3 * random(20, 2), random(2, seed=1)
    found = explained(lambda i: tape.softmax(i)[:, 0], x, start).values

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    way, way0 = x[:, 0] - x[:, 1], start[0] - start[1]
    slope = (sigmoid(way) - sigmoid(way0)) / (way - way0)
    expected = (x - start) * np.stack([slope, -slope], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_what_is_added_to_all_scores_alike_does_not_matter_to_a_softmax(name: str) -> None:
    x, start, weight = random(5, 4), random(4, seed=1), random(4, seed=2)

    def function(i):
        out = getattr(tape, name)(i)
        return out if name == "logsumexp" else functions.sum(out * strict.asarray(weight), axis=1)

    here = explained(function, x, start)
    there = explained(function, x + 7.0, start + 7.0)
    np.testing.assert_allclose(here.values, there.values, rtol=1e-10, atol=1e-12)
    assert here.gap.max() <= 1e-12


def test_softmaxes_that_overflow_are_complete_all_the_same() -> None:
    x, start = np.array([[800.0, -900.0, 3.0]]), np.array([-700.0, 500.0, 0.0])
    found = explained(lambda i: tape.softmax(i)[:, 0], x, start)
    np.testing.assert_allclose(found.values.sum(), 1.0, rtol=1e-12)
    assert (np.abs(found.values) <= 1.0 + 1e-12).all()


# Completeness, whatever the operations

W = random(6, 6, seed=3)
KERNEL = random(3, 1, 3, 3, seed=4)


def attention(i):
    tokens = functions.reshape(i, (i.shape[0], 3, 4))
    normal = tape.layer_norm(tokens)
    queries, keys, values = (tape.dense(normal, random(4, 4, seed=s)) for s in (1, 2, 3))
    weights = tape.softmax(tape.matmul(queries, functions.permute_dims(keys, (0, 2, 1))) / 2.0)
    mixed = tokens + tape.matmul(weights, values)
    return functions.sum(functions.sum(tape.silu(mixed), axis=2), axis=1)


def gate(i):
    squeezed = tape.relu(tape.dense(i, W[:, :2], W[0, :2]))
    return functions.sum(i * tape.sigmoid(tape.dense(squeezed, W[:2])), axis=1)


def pooled(i):
    image = functions.reshape(i, (i.shape[0], 1, 6, 6))
    maps = tape.max_pool(tape.relu(tape.convolution(image, KERNEL, W[0, :3])), 2, 1)
    return functions.sum(
        functions.reshape(maps, (i.shape[0], -1)) * strict.asarray(random(27)), axis=1
    )


NETS: dict[str, tuple[Callable, int]] = {
    "attention": (attention, 12),
    "gate": (gate, 6),
    "overlapping_pools": (pooled, 36),
    "reused": (lambda i: tape.relu(tape.dense(tape.relu(tape.dense(tape.relu(i), W)), W))[:, 0], 6),
    "log_probability": (lambda i: tape.log_softmax(tape.dense(i, W))[:, 2], 6),
    "logsumexp": (lambda i: tape.logsumexp(tape.dense(i, W)), 6),
    "quotients": (
        lambda i: functions.sum(i / (1.0 + functions.sum(i * i, axis=1, keepdims=True)), axis=1),
        6,
    ),
    "maxima": (lambda i: functions.max(functions.maximum(tape.dense(i, W), i), axis=1), 6),
}


@closed_form("deep_lift")
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("name", NETS)
def test_the_values_sum_to_the_change_of_the_score(name: str, rule: str) -> None:
    function, size = NETS[name]
    x = random(8, size, seed=5)
    for baseline in (0.0, random(size, seed=6), random(8, size, seed=7)):
        found = explained(function, x, baseline, rule=rule)
        start = np.asarray(
            functions.asarray(net(function).predict(np.broadcast_to(baseline, x.shape)))
        )
        np.testing.assert_allclose(found.baseline_score, start, **EXACT)
        assert found.gap.max() <= 1e-12 * max(1.0, np.abs(found.score - start).max())


def test_flat_baselines_over_pools_leave_no_gap() -> None:
    x = random(8, 36, seed=5)
    for baseline in (0.0, 1.0):
        assert explained(pooled, x, baseline).gap.max() <= 1e-12


def test_several_baselines_are_averaged() -> None:
    x, baselines = random(3, 6), random(4, 6, seed=1)
    both = explained(gate, x, Several(baselines))
    each = [explained(gate, x, one) for one in baselines]
    np.testing.assert_allclose(both.values, np.mean([one.values for one in each], axis=0), **EXACT)
    starts = np.mean([one.baseline_score for one in each], axis=0)
    np.testing.assert_allclose(both.baseline_score, starts, **EXACT)
    assert both.gap.max() <= 1e-12


def test_an_operation_of_no_known_kind_is_integrated_and_named() -> None:
    x, start = random(5, 6), random(6, seed=1)
    with pytest.warns(UserWarning, match="no closed form for swirl at stage0"):
        found = explained(lambda i: functions.sum(tape.swirl(i), axis=1), x, start)
    assert found.gap.max() <= 1e-9


class Closed(ReferenceModel):
    """Its operations of no known kind cannot be run again."""

    def ruled(self, inputs, score, at, value, rules, reference):
        class Shut(type(rules)):  # type: ignore[misc]
            def choose(self, operation):
                shut = operation.kind is Kind.OTHER
                return super().choose(replace(operation, replayable=not shut))

        shut = Shut(**{name: getattr(rules, name) for name in rules.__dataclass_fields__})
        found = super().ruled(inputs, score, at, value, shut, reference)
        listed = (replace(one, replayable=one.kind is not Kind.OTHER) for one in found.operations)
        return replace(found, operations=tuple(listed))


def test_an_operation_that_cannot_be_run_again_is_refused_unless_allowed() -> None:
    def function(i):
        return functions.sum(tape.swirl(i), axis=1)

    model, x = Closed(("inner", function)), random(5, 6)
    with pytest.raises(CoverageError) as caught:
        DeepLIFT()(model, x, lambda out, _: out)
    assert "swirl at inner" in str(caught.value)
    assert "allow_gradient=True" in str(caught.value)
    with pytest.warns(UserWarning, match="plain gradient at swirl at inner"):
        found = DeepLIFT(allow_gradient=True)(model, x, lambda out, _: out)
    plain = InputXGradient()(model, x, lambda out, _: out)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-6, atol=1e-8)
    assert found.gap.max() > 1e-2


# RevealCancel by the definition, neuron by neuron


def revealed(x: np.ndarray, start: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Multipliers of one dense layer with ReLU, shape (inputs, neurons): sections 3.5.1 and 3.5.3."""
    found = np.zeros_like(weight)
    for j in range(weight.shape[1]):
        z0 = start @ weight[:, j] + bias[j]
        parts = weight[:, j] * (x - start)
        plus, minus = parts[parts > 0].sum(), parts[parts < 0].sum()

        def f(z: float) -> float:
            return max(z, 0.0)

        gain = (f(z0 + plus) - f(z0) + f(z0 + minus + plus) - f(z0 + minus)) / 2
        loss = (f(z0 + minus) - f(z0) + f(z0 + plus + minus) - f(z0 + plus)) / 2
        for i in range(len(x)):
            up, down = (gain / plus if plus else 0.0), (loss / minus if minus else 0.0)
            share = up if parts[i] > 0 else down if parts[i] < 0 else (up + down) / 2
            found[i, j] = weight[i, j] * share
    return found


@closed_form("deep_lift")
def test_reveal_cancel_of_two_layers_neuron_by_neuron() -> None:
    w1, b1, w2, b2, w3 = random(5, 6), random(6), random(6, 4), random(4), random(4, 3)
    model = net(
        lambda x: tape.relu(tape.dense(x, w1, b1)),
        lambda x: tape.relu(tape.dense(x, w2, b2)),
        lambda x: tape.dense(x, w3),
    )
    x, start = random(10, 5, seed=1), random(5, seed=2)
    found = DeepLIFT(rule="reveal_cancel", baseline=start)(model, x, 1)
    for row, values in zip(x, found.values, strict=True):
        a, a0 = np.maximum(row @ w1 + b1, 0), np.maximum(start @ w1 + b1, 0)
        m = revealed(row, start, w1, b1) @ revealed(a, a0, w2, b2) @ w3[:, 1]
        np.testing.assert_allclose(values, m * (row - start), rtol=1e-10, atol=1e-12)
    assert found.gap.max() <= 1e-12


def test_options_are_checked() -> None:
    with pytest.raises(HyperParameterError, match="'rescale' or 'reveal_cancel'"):
        DeepLIFT(rule="linear")
    with pytest.raises(HyperParameterError, match="allow_gradient"):
        DeepLIFT(allow_gradient=1)


def test_a_rectifier_that_is_0_on_both_ends_adds_nothing() -> None:
    def one(x):
        return tape.relu(x[:, :1] * 1.0)[:, 0] + x[:, 1]

    found = explained(one, np.array([[0.0, 2.0], [-1.0, 1.0]]))
    np.testing.assert_array_equal(found.values, [[0.0, 2.0], [0.0, 1.0]])


def test_a_maximum_hands_on_what_cancels_before_it() -> None:
    """Both inputs move by 1 and their difference by nothing: a slope of 1 tells them apart."""

    def kept(x):
        return functions.max(
            functions.concat([x[:, :1] - x[:, 1:], 0.0 * x[:, :1] - 5.0], axis=1), axis=1
        )

    found = explained(kept, np.array([[1.0, 1.0], [3.0, 1.0]]))
    np.testing.assert_allclose(found.values, [[1.0, -1.0], [3.0, -1.0]], **EXACT)


@pytest.mark.parametrize("way", [1e-6, 1e-3, 0.0199, 0.0201, 1.0])
def test_a_softmax_that_hardly_moves_keeps_all_its_digits(way: float) -> None:
    x = np.array([[way, 0.0, -way / 3]])
    # p - 1 / 3 without a difference of nearly equal numbers
    change = (2 * np.expm1(way) - np.expm1(-way / 3)) / (3 * np.exp(x).sum())

    def first(i):
        return tape.softmax(i)[:, 0]

    found = explained(first, x)
    np.testing.assert_allclose(found.values.sum(), change, rtol=1e-12)
