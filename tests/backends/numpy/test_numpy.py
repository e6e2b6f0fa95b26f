"""Functions of NumPy arrays: what they give, what they refuse, and that they are left alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import backlight
from backlight import Method
from backlight.errors import (
    BacklightWarning,
    CoverageError,
    InputTypeError,
    ModelError,
    NoBackendError,
    SiteError,
)
from backlight.explaining import registry
from backlight.explaining.no_gradients import without_gradients
from backlight_methods import IntegratedGradients, Occlusion, Saliency, Smooth

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(5, 3))
X = RNG.normal(size=(7, 5))
BASE = RNG.normal(size=5)


def linear(x: Any) -> Any:
    return x @ WEIGHT.astype(x.dtype if x.dtype.kind == "f" else np.float64)


MODEL = backlight.wrap(linear, "numpy")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_occlusion_of_a_linear_function_has_its_closed_form(
    dtype: Any, batch_size: int | None
) -> None:
    x = X.astype(dtype)
    found = Occlusion(baseline=BASE)(MODEL, x, 1, batch_size=batch_size)
    assert found.values.dtype == dtype
    rounding = 1e-13 if dtype == np.float64 else 1e-5
    assert np.allclose(found.values, WEIGHT[:, 1] * (X - BASE), rtol=rounding, atol=rounding)
    assert np.allclose(found.score, X @ WEIGHT[:, 1], rtol=rounding)


def test_a_function_sees_one_dtype_whatever_the_baseline_has() -> None:
    seen = set()

    def noted(x: Any) -> Any:
        seen.add(x.dtype.name)
        return linear(x)

    x = X.astype(np.float32)
    for baseline in (BASE, BASE.astype(np.float32), np.zeros(5, int), 0.5):
        Occlusion(baseline=baseline)(backlight.wrap(noted, "numpy"), x, 1)
    assert seen == {"float32"}


def test_integers_stay_integers_on_their_way() -> None:
    seen = []

    def noted(x: Any) -> Any:
        seen.append(x.dtype)
        return x @ WEIGHT

    x = RNG.integers(-3, 4, (4, 5))
    found = Occlusion(baseline=2)(backlight.wrap(noted, "numpy"), x, 0)
    assert np.allclose(found.values, WEIGHT[:, 0] * (x - 2))
    assert set(seen) == {np.dtype(np.int64)}


def test_a_plain_function_is_never_told_by_numpy_arrays() -> None:
    with pytest.raises(NoBackendError, match="framework='numpy'"):
        backlight.wrap(linear, inputs=X)
    with pytest.raises(NoBackendError):
        backlight.wrap(linear)
    with pytest.raises(NoBackendError):
        backlight.wrap("no function", "numpy")


def test_gradients_are_refused_with_the_techniques_that_need_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for technique in (
        Saliency(),
        IntegratedGradients(),
        Smooth(),
        backlight.methods()["grad_cam"](),
    ):
        with pytest.raises(
            CoverageError, match=rf"{type(technique).__name__} takes .*: .*occlusion"
        ):
            technique(MODEL, X, 0)
    with pytest.raises(CoverageError, match=r"shows no operations.*occlusion"):
        MODEL.operations(X)
    offered: dict[str, Callable[..., Method]] = {"covers": Occlusion, "saliency": Saliency}
    monkeypatch.setattr(registry, "methods", lambda: offered)
    assert without_gradients() == ["covers"]
    with pytest.raises(CoverageError, match=r"Techniques that need none: covers\.$"):
        Saliency()(MODEL, X, 0)


def test_there_is_nothing_inside() -> None:
    assert MODEL.sites(X) == ()
    assert MODEL.graph(X) is None
    with pytest.raises(SiteError, match="no site 'layer': a model of NumPy arrays can only be run"):
        Occlusion()(MODEL, X, 0, at="layer")
    with pytest.raises(SiteError, match="'layer'"):
        Occlusion()(MODEL, X, backlight.Neuron("layer"))


def test_what_a_model_raises_comes_with_what_it_was_given() -> None:
    with pytest.raises(ModelError, match=r"ValueError: .*It was given float64 \(2, 4\)"):
        MODEL.predict(np.ones((2, 4)))
    lists = backlight.wrap(lambda x: x.tolist(), "numpy")
    with pytest.raises(ModelError, match=r"returned a float where an array .*np\.asarray"):
        lists.predict(X)
    with pytest.raises(InputTypeError, match=r"given a torch\.Tensor; pass NumPy arrays"):
        Occlusion()(MODEL, torch.ones(2, 5), 0)


def test_a_function_that_writes_into_its_arguments_harms_nobody() -> None:
    def doubling(x: Any) -> Any:
        x *= 2
        return x @ WEIGHT

    x = X.copy()
    found = Occlusion(baseline=BASE)(backlight.wrap(doubling, "numpy"), x, 2)
    assert np.array_equal(x, X)
    assert np.allclose(found.values, 2 * WEIGHT[:, 2] * (X - BASE))


def test_no_call_has_more_rows_than_the_batch_size() -> None:
    rows = []

    def noted(x: Any, mask: Any) -> Any:
        rows.append(len(x))
        assert len(mask) == len(x)
        return (x * mask) @ WEIGHT

    mask = RNG.integers(0, 2, X.shape).astype(float)
    model = backlight.wrap(noted, "numpy")
    found = Occlusion()(model, X, 0, extra=(mask,), batch_size=4)
    assert max(rows) <= 4
    assert np.allclose(found.values, WEIGHT[:, 0] * X * mask)


def test_rows_that_look_at_each_other_run_whole() -> None:
    def standardised(x: Any) -> Any:
        return (x - x.mean(0)) @ WEIGHT

    model = backlight.wrap(standardised, "numpy")
    with pytest.warns(BacklightWarning, match="Every value is exactly 0"):
        Occlusion()(model, X[:1], 1, batch_size=1)  # which has no batch-mates
    with pytest.warns(BacklightWarning, match="other outputs beside others than alone"):
        found = Occlusion(baseline=BASE)(model, X, 1, batch_size=2)
    # All rows are covered at a time: a column becomes constant, and nothing is left of it.
    assert np.allclose(found.values, WEIGHT[:, 1] * (X - X.mean(0)))

    def together(x: Any) -> Any:
        assert len(x) == 7
        return x @ WEIGHT

    with pytest.warns(BacklightWarning, match="run whole"):
        found = Occlusion()(backlight.wrap(together, "numpy"), X, 1)
    assert np.allclose(found.values, WEIGHT[:, 1] * X)


def test_several_inputs_and_outputs() -> None:
    def both(a: Any, b: Any) -> Any:
        return {"scores": a @ WEIGHT + b @ WEIGHT[:2], "sum": a.sum(1)}

    model = backlight.wrap(both, "numpy")
    target = backlight.Class(1, path="scores")
    found = Occlusion()(model, (X, X[:, :2]), target)
    assert np.allclose(found.values[0], WEIGHT[:, 1] * X)
    assert np.allclose(found.values[1], WEIGHT[:2, 1] * X[:, :2])
    named = Occlusion()(model, {"a": X, "b": X[:, :2]}, target)
    assert np.allclose(named.values["a"], found.values[0])


def test_threads_explain_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: Occlusion()(MODEL, X, k % 3).values, range(12)))
    for k, values in enumerate(found):
        assert np.allclose(values, WEIGHT[:, k % 3] * X)


def test_an_edited_function_is_another() -> None:
    weight = WEIGHT.copy()
    model = backlight.wrap(lambda x: x @ weight, "numpy")
    assert backlight.explain(model, X, method="occlusion").values.shape == X.shape
    weight = weight[:, :2]
    assert model.outputs(X).shape == (7, 2)  # type: ignore[union-attr]
