"""Techniques and baselines that hold arrays: short to show, equal where their numbers are."""

from collections.abc import Callable

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from backlight import Several
from backlight.by_value import numbers_of
from backlight_methods import DeepLIFT, ExpectedGradients, IntegratedGradients, Occlusion, Smooth

ARRAYS: dict[str, Callable[[object], object]] = {
    "numpy": lambda values: np.asarray(values, np.float32),
    "torch": lambda values: torch.tensor(np.asarray(values, np.float32)),
    "tensorflow": lambda values: tf.constant(np.asarray(values, np.float32)),
    "jax": lambda values: jnp.asarray(np.asarray(values, np.float32)),
}
every_array = pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
TECHNIQUES = [IntegratedGradients, ExpectedGradients, DeepLIFT, Occlusion]
PICTURE = np.full((1, 28, 28), 0.125)


@every_array
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_technique_with_an_array_is_shown_in_a_line(make: Callable, technique: type) -> None:
    text = repr(technique(baseline=make(PICTURE)))
    assert "baseline=array(float32, (1, 28, 28), mean 0.12)" in text
    assert text.startswith(f"{technique.__name__}(")
    assert len(text) < 200


@every_array
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_techniques_are_equal_where_their_arrays_hold_the_same_numbers(
    make: Callable, technique: type
) -> None:
    one, same, other = (technique(baseline=make(PICTURE + off)) for off in (0, 0, 1))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert len({one, same, other}) == 2
    assert one != technique(baseline=make(PICTURE[0]))
    assert one != 3


@every_array
def test_several_and_what_holds_them_go_by_value(make: Callable) -> None:
    def technique(last: float) -> Smooth:
        several = Several([0.5, make(PICTURE), (0.0, make([last]))])
        return Smooth(inner=DeepLIFT(baseline=several))

    assert technique(1.0) == technique(1.0)
    assert hash(technique(1.0)) == hash(technique(1.0))
    assert technique(1.0) != technique(2.0)
    shown = "Several(values=[0.5, array(float32, (1, 28, 28), mean 0.12), (0.0, array(float32, [1.0]))])"
    assert shown in repr(technique(1.0))


def test_many_baselines_are_counted() -> None:
    many = [np.full(9, float(number)) for number in range(1000)]
    text = repr(IntegratedGradients(baseline=Several(many)))
    assert "... 1000 in all" in text
    assert len(text) < 500
    assert "array(float64, (1000, 9), mean 5e+02)" in repr(Several(np.array(many)))
    assert Several(many) == Several(list(many))


def test_bfloat16_is_shown_and_compared() -> None:
    one, other = (IntegratedGradients(baseline=torch.full((9,), v).bfloat16()) for v in (1.0, 2.0))
    assert "array(bfloat16, (9,), mean 1)" in repr(one)
    assert one != other
    jax_one, same = (IntegratedGradients(baseline=jnp.ones(9, jnp.bfloat16)) for _ in range(2))
    assert "array(bfloat16, (9,), mean 1)" in repr(jax_one)
    assert jax_one == same


def test_plain_fields_are_as_they_were() -> None:
    said = "baseline=0.0, rule='rescale', allow_gradient=False, custom_rules=(), multipliers=False"
    assert repr(DeepLIFT()) == f"DeepLIFT({said}, hypothetical=False, keep='mean')"
    assert DeepLIFT(baseline=0) == DeepLIFT(baseline=0.0)
    assert hash(DeepLIFT(baseline=0)) == hash(DeepLIFT(baseline=np.float64(0)))
    assert DeepLIFT() != DeepLIFT(allow_gradient=True)
    assert Several([0.0, 1.0]) != Several([0.0, 2.0])
    named = IntegratedGradients(baseline={"b": np.zeros(2), "a": 1.0})
    assert named == IntegratedGradients(baseline={"a": 1.0, "b": np.zeros(2)})


def test_equal_bytes_of_another_kind_are_other_numbers() -> None:
    for one, other in (
        (np.zeros(2), np.zeros(2, np.int64)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2), np.zeros(2).tolist()),
        ([0.0, 1.0], (0.0, 1.0)),
    ):
        assert numbers_of(one) != numbers_of(other)
    turned = np.arange(6.0).reshape(2, 3).T  # the same numbers in another order in memory
    assert numbers_of(turned) == numbers_of(turned.copy())
