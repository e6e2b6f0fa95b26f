"""Several targets in one call, on each framework, as if each were alone."""

from typing import Any

import numpy as np
import pytest

import backlight
from backlight import Class, Logit, Margin, Top
from tests.parity.test_logits import FRAMEWORKS, X, net

A, B = [0, 1, 2], [3, 3, 0]
SCORES: dict[str, tuple[Any, ...]] = {
    "logits": (Class(A), Class(B), Margin(A, versus=B)),
    "of a softmax": (Logit(A), Logit(B), Margin(A, versus=B)),
}


@pytest.mark.parametrize("method", ["occlusion", "deep_lift", "lrp", "guided_backprop", "gradient"])
@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_is_explained_as_if_it_were_alone(framework: str, scores: str, method: str) -> None:
    model = net(framework, None if scores == "logits" else "softmax")
    for found, target in zip(
        backlight.explain(model, X, SCORES[scores], method), SCORES[scores], strict=True
    ):
        alone = backlight.explain(model, X, target, method)
        wanted = alone.numpy()
        np.testing.assert_allclose(
            found.numpy(), wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max()
        )
        np.testing.assert_allclose(found.score, alone.score, rtol=1e-5, atol=1e-6)
        assert found.target == alone.target


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_most_probable_classes(framework: str) -> None:
    model = net(framework, "softmax")
    order = np.argsort(-np.asarray(model.predict(model.prepare(X))), axis=1)
    for place, found in enumerate(backlight.explain(model, X, Top(4), "occlusion", batch_size=2)):
        np.testing.assert_array_equal(found.classes, order[:, place])
