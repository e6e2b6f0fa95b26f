"""Several targets at once: each as if it were alone, for fewer passes; and who is linear in the score."""

import numpy as np
import pytest

import backlight
from backlight import Attribution, Class, Logit, Margin, Neuron, Output, Top
from backlight.errors import ResultError, TargetError
from backlight_methods import (
    ExpectedGradients,
    GradCAM,
    IntegratedGradients,
    LayerCAM,
    Occlusion,
    Saliency,
    Smooth,
)
from tests.methods.judges import any_numbers
from tests.methods.test_laws import TECHNIQUES, picture_model, pictures
from tests.reference import places_by_shapes

pytestmark = [*any_numbers, places_by_shapes]

ONE, OTHER = np.array([0, 1, 2]), np.array([2, 2, 0])
THREE = (Class(ONE), Logit(OTHER), Margin(ONE, versus=OTHER))

NOT_LINEAR = {
    "deconvnet",
    "excitation_backprop",
    "grad_cam_plus_plus",
    "guided_backprop",
    "guided_grad_cam",
    "kernel_shap",
    "integrated_gradients_to_a_tolerance",
    "layer_cam",
    "saliency",
    "shapley_values_to_a_tolerance",
    "smooth_integrated_gradients",
    "sobol_indices",
}


def agree(found: Attribution, alone: Attribution) -> None:
    np.testing.assert_allclose(found.numpy(), alone.numpy(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.score, alone.score, rtol=1e-12)
    assert (found.target, found.at, found.warnings) == (alone.target, alone.at, alone.warnings)
    for name in ("baseline_score", "gap", "classes", "rivals"):
        one, other = getattr(found, name), getattr(alone, name)
        assert (one is None) == (other is None)
        if other is not None:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_each_of_several_targets_is_explained_as_if_it_were_alone(name: str) -> None:
    model, x, method = picture_model(), pictures(3, seed=5), TECHNIQUES[name]
    together = method(model, x, THREE)
    assert isinstance(together, tuple)
    for found, target in zip(together, THREE, strict=True):
        agree(found, method(model, x, target))


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_technique_says_whether_it_is_linear_in_the_score(name: str) -> None:
    model, x, method = picture_model(), pictures(3, seed=6), TECHNIQUES[name]
    one, other, margin = (method(model, x, target).numpy() for target in THREE)
    off = np.abs(one - other - margin).max() / np.abs(margin).max()
    assert method.linear == (name not in NOT_LINEAR)
    assert (off < 1e-8) == method.linear or name == "integrated_gradients_to_a_tolerance"


@pytest.mark.parametrize(
    ("method", "linear"),
    [
        (GradCAM(rectify=True), False),
        (GradCAM(backward="guided_backprop"), False),
        (GradCAM(backward="lrp"), True),
        (LayerCAM(), False),
        (Smooth(inner=Saliency()), False),
        (Smooth(statistic="square"), False),
    ],
)
def test_what_is_rectified_is_not_linear(method: backlight.Method, linear: bool) -> None:
    assert method.linear == linear


def test_a_margin_between_classes_that_are_explained_costs_nothing() -> None:
    counts = []
    for targets in (THREE[:2], THREE):
        model = picture_model()
        IntegratedGradients(steps=4)(model, pictures(3, seed=7), targets)
        counts.append(model.passes - len(targets))  # it looks at the outputs for each
    assert counts[0] == counts[1]


def test_the_error_of_a_difference_is_at_least_that_of_both_together() -> None:
    model, x = picture_model(), pictures(3, seed=8)
    one, other, margin = IntegratedGradients(steps=3)(model, x, THREE)
    for found in (one, other, margin):
        assert found.error is not None
    sizes = [np.abs(found.numpy()).reshape(3, -1).sum(1) for found in (one, other, margin)]
    bound = (one.error * sizes[0] + other.error * sizes[1]) / sizes[2]
    np.testing.assert_allclose(margin.error, bound, rtol=1e-12)
    alone = IntegratedGradients(steps=3)(model, x, THREE[2])
    assert (margin.error >= alone.error * (1 - 1e-9)).all()


@pytest.mark.parametrize(
    "method", [ExpectedGradients(samples=4, seed=0), Smooth(inner=IntegratedGradients(steps=2))]
)
def test_so_is_its_standard_error(method: backlight.Method) -> None:
    assert method.linear
    one, other, margin = method(picture_model(), pictures(3, seed=8), THREE)
    assert (one.standard_error > 0).all()
    assert (other.standard_error > 0).all()
    np.testing.assert_allclose(
        margin.standard_error, one.standard_error + other.standard_error, rtol=1e-12
    )


def test_occlusion_of_all_classes_costs_as_much_as_of_one() -> None:
    counts = []
    for targets in ([Class(0)], [Class(0), Class(1), Class(2)]):
        model = picture_model()
        Occlusion(window=1)(model, pictures(3, seed=9), targets)
        counts.append(model.passes - len(targets))
    assert counts[0] == counts[1]


def test_the_most_probable_classes_come_in_their_order() -> None:
    model, x = picture_model(), pictures(5, seed=10)
    ranked = np.argsort(-np.asarray(model.predict(model.prepare(x))), axis=1)
    found = backlight.explain(model, x, Top(3), "gradient")
    for place, one in enumerate(found):
        np.testing.assert_array_equal(one.classes, ranked[:, place])
        agree(one, backlight.explain(model, x, ranked[:, place], "gradient"))
    first = backlight.explain(model, x, Top(1, Logit), "gradient", batch_size=2)
    assert [one.target for one in first] == [f"Logit({ranked[:, 0].tolist()})".replace("'", "")]


def test_targets_of_several_kinds_go_together() -> None:
    model, x = picture_model(), pictures(2, seed=11)
    targets = [
        Output(index=(1,)),
        Neuron("features", (0, 1, 0)),
        Class(2),
        lambda outputs, arrays: outputs[:, 0] * outputs[:, 1],
    ]
    for found, target in zip(Occlusion(window=1)(model, x, targets), targets, strict=True):
        np.testing.assert_allclose(
            found.numpy(), Occlusion(window=1)(model, x, target).numpy(), rtol=1e-9, atol=1e-12
        )


def test_a_list_of_classes_is_one_target() -> None:
    found = Saliency()(picture_model(), pictures(3, seed=12), [0, 1, 2])
    assert isinstance(found, Attribution)


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_top_takes_a_number_of_classes(count: object) -> None:
    with pytest.raises(TargetError, match="at least 1"):
        Top(count)  # type: ignore[arg-type]


def test_top_needs_as_many_classes() -> None:
    with pytest.raises(TargetError, match=r"Top\(4\).*\(2, 3\)"):
        Saliency()(picture_model(), pictures(2, seed=13), Top(4))


def test_an_output_that_is_nan_is_told_and_not_passed_over() -> None:
    x = pictures(2, seed=14)
    x[1] = np.nan
    with pytest.raises(backlight.BacklightError, match=r"nan|finite"):
        Saliency()(picture_model(), x, Top(2))


def test_a_technique_that_forgets_a_target_is_told_so() -> None:
    class Forgetful(backlight.Method):
        def attribute(self, objective):
            return backlight.Result(objective.gradient().gradient)

        def attribute_each(self, objective, targets):
            return [self.attribute(objective)]

    with pytest.raises(ResultError, match=r"Forgetful.attribute_each .* 3 scores; got 1"):
        Forgetful()(picture_model(), pictures(2, seed=15), [Class(0), Class(1), Class(2)])
