"""The conformance kit passes each framework's backend and each technique."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

from dataclasses import dataclass
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from backlight import API_VERSION, Method, Objective, Result
from backlight.errors import CoverageError, InputTypeError, UnknownNameError
from backlight.testing import Check, Net, backend_checks, check_method, check_plugin, method_checks
from backlight.testing.backend import LAWS, RUN_LAWS
from backlight.testing.checks import sentence
from backlight.testing.technique import EVERYWHERE, ONCE
from backlight_conformance import BUILDERS, builder
from backlight_conformance.choice import builders
from backlight_conformance.plugin import backlight_commands
from backlight_conformance.torch_nets import TorchBuilder, TorchNet
from backlight_methods import COMPOSITES, LRP, METHODS

assert torch
BUILT = {framework: builder(framework) for framework in BUILDERS}

FEW: dict[str, dict[str, object]] = {
    "expected_gradients": {"samples": 3},
    "integrated_gradients": {"steps": 64},
    "kernel_shap": {"samples": 256},
    "lime": {"samples": 256},
    "rise": {"samples": 3},
    "shapley_values": {"samples": 4, "exact": 0},
    "sobol_indices": {"samples": 2},
    "lrp": {"composite": "epsilon"},
    "smooth": {"samples": 3},
    "occlusion": {"window": 1, "stride": 1},
}
"""Hyper-parameters of few passes."""
PROMISES: dict[str, dict[str, float]] = {
    "deep_lift": {"complete": 1e-10},
    "integrated_gradients": {"complete": 0.01},
    "kernel_shap": {"complete": 1e-10},
    "lrp": {"conserves": 1e-5},
    "shapley_values": {"complete": 1e-10},
}


def technique(name: str) -> Method:
    return METHODS[name](**FEW.get(name, {}))


def applying(framework: str) -> list[Check]:
    """The checks of a framework's backend that apply to it."""
    checks, run = backend_checks(BUILT[framework]), {law.__name__ for law, _ in RUN_LAWS}
    differentiable = BUILT[framework].differentiable
    return [check for check in checks if differentiable or check.law in run]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{framework}-{check}")
        for framework in BUILDERS
        for check in applying(framework)
    ],
)
def test_each_backend_keeps_the_laws(check: Check) -> None:
    assert check() is None


def test_of_a_backend_without_gradients_it_is_said_what_does_not_apply() -> None:
    own = {str(check) for check in applying("numpy")}
    others = [check for check in backend_checks(BUILT["numpy"]) if str(check) not in own]
    gradients = {f"{law.__name__}[{net.name}]" for law, nets in LAWS for net in nets} - own
    assert {str(check) for check in others} == gradients
    assert {check() for check in others} == {"numpy has no gradients: its models can only be run"}
    refused = [check() for check in method_checks(technique("saliency"), BUILT["numpy"])]
    assert all("Saliency takes gradients" in str(why) for why in refused)
    code, told = command("numpy")
    assert code == 0
    assert f"ok: all {len(own)} hold, {len(others)} do not apply." in told


COMPILED = ("batch_size", "dtype", "edited")
"""Laws that compile a technique anew where questions are compiled."""


def checks_of(name: str, framework: str) -> list[Check]:
    """All on torch and MLX, and on NumPy of those that take no gradients. Where each question is
    compiled, those that need one compilation; the others too for half of the techniques on TensorFlow
    and for the other half on JAX, one each, in turn."""
    checks = method_checks(technique(name), BUILT[framework], **PROMISES.get(name, {}))
    if not BUILT[framework].differentiable and technique(name).differentiates:
        return []
    if framework in ("torch", "mlx", "numpy"):
        return checks
    laws = ("batch_mates", "score", "put_back", "conservation")
    nets = (checks[0].net, "picture_without_biases")
    turn, half = divmod(list(METHODS).index(name), 2)
    own = COMPILED[turn % len(COMPILED)] if half == (framework == "jax") else None
    return [one for one in checks if one.law == own or (one.law in laws and one.net in nets)]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{framework}-{name}-{check}")
        for framework in BUILDERS
        for name in METHODS
        for check in checks_of(name, framework)
    ],
)
def test_each_technique_keeps_the_laws(check: Check) -> None:
    assert check() is None


@pytest.mark.parametrize("composite", COMPOSITES)
def test_each_composite_of_lrp_conserves_the_score(composite: str) -> None:
    checks = method_checks(LRP(composite=composite), BUILT["torch"], conserves=1e-5)
    (check,) = [check for check in checks if check.law == "conservation"]
    assert check() is None


PLUGIN = """
from backlight import Method, hookimpl

backlight_api = {api}

@hookimpl
def {hook}():
    return {answer}
"""


def plugin(**said: object) -> ModuleType:
    made = ModuleType("some_plugin")
    exec(
        PLUGIN.format(**{"api": API_VERSION, "hook": "backlight_methods", "answer": {}, **said}),
        vars(made),
    )
    return made


def test_a_plugin_says_its_api_and_has_known_hooks() -> None:
    check_plugin(plugin())
    with pytest.raises(AssertionError, match="some_plugin: it was made for API 7 of Backlight"):
        check_plugin(plugin(api=7))
    with pytest.raises(AssertionError, match="some_plugin: unknown hook 'backlight_metods'"):
        check_plugin(plugin(hook="backlight_metods"))
    with pytest.raises(AssertionError, match="some_plugin: it gave something of type int"):
        check_plugin(plugin(answer=3))
    with pytest.raises(AssertionError, match="not a mapping of feature kinds"):
        check_plugin(plugin(hook="backlight_features", answer=3))
    with pytest.raises(AssertionError, match="its feature kind a is of type int"):
        check_plugin(plugin(hook="backlight_features", answer={"a": 3}))
    with pytest.raises(AssertionError, match="does not say which API"):
        check_plugin(ModuleType("some_plugin"))
    silent = ModuleType("some_plugin")
    silent.backlight_api = API_VERSION  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="has no hook"):
        check_plugin(silent)


def test_a_technique_that_refuses_every_net_fails() -> None:
    with pytest.raises(AssertionError, match="explains no golden net"):
        check_method(Refusing(), BUILT["torch"])


@dataclass(frozen=True, kw_only=True)
class Refusing(Method):
    def attribute(self, objective: Objective) -> Result:
        raise CoverageError("not for such a net")


class Broken(TorchBuilder):
    """Its first layers have other weights than the golden nets."""

    def build(self, net: Net, dtype: str) -> TorchNet:
        name, values = next(iter(net.weights.items()))
        return super().build(net.with_weights({name: 2.0 * values}), dtype)


def command(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    backlight_commands(app)
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_the_command_says_ok_and_what_is_refused() -> None:
    code, told = command("torch", "-m", "gradient", "-m", "grad_cam")
    assert code == 0
    assert "gradient on torch" in told and told.count("ok: all") == 2
    (row,) = [line for line in told.splitlines() if line.startswith("edited")][:1]
    assert row.split() == ["edited", "two_tables"]


def test_the_command_fails_by_name() -> None:
    code, told = command(f"{__name__}:Broken")
    assert code == 1
    assert "outputs[cnn]: The output is" in told
    assert "not ok: " in told


def test_the_command_names_a_promise_that_is_broken() -> None:
    code, told = command("torch", "-m", "saliency", "--complete", "0.1")
    assert code == 1
    assert "score[picture]: No baseline score is told" in told


def test_the_command_refuses_what_is_no_builder() -> None:
    with pytest.raises(UnknownNameError, match="framework 'torhc'"):
        builders(["torhc"])
    with pytest.raises(InputTypeError, match="where a class derived from"):
        builders(["backlight:API_VERSION"])
    assert [type(one) for one in builders([f"{__name__}:Broken"])] == [Broken]


def test_the_command_checks_every_framework_that_is_installed() -> None:
    assert [one.framework for one in builders([])] == [*BUILDERS]
    assert builder("mlx").dtypes == ("float32",)


def test_every_law_is_a_sentence_and_is_listed() -> None:
    code, told = command("--laws")
    assert code == 0
    for law in (*(law for law, _ in (*LAWS, *RUN_LAWS)), *EVERYWHERE, *ONCE):
        assert law.__name__ in told
        assert sentence(law).endswith(".")
