"""What holds for every technique with rules on each framework: an example's result is its own, a call
can be repeated, threads do not meet, and the user's net stays as it was."""

import threading

import numpy as np
import pytest
import torch

from backlight import Method
from backlight_methods import LRP, Deconvnet, DeepLIFT, ExcitationBackprop, GuidedBackprop
from tests.parity import nets
from tests.parity.measure import FRAMEWORKS, Values, precision
from tests.parity.test_rules import model

TECHNIQUES: dict[str, Method] = {
    "guided_backprop": GuidedBackprop(),
    "deconvnet": Deconvnet(),
    "deep_lift": DeepLIFT(baseline=0.1),
    "reveal_cancel": DeepLIFT(rule="reveal_cancel"),
    "lrp": LRP(),
    "lrp_epsilon": LRP(composite="epsilon"),
    "excitation_backprop": ExcitationBackprop(),
}
NET = "batch_norm"
CLASSES = np.array([1, 0, 4])


def explained(framework: str, method: Method, rows: slice) -> Values:
    x = nets.inputs(NET, 3)
    x = np.moveaxis(x, -1, 1) if framework == "torch" else x
    with precision("float64"):
        return np.asarray(method(model(framework, NET), x[rows], CLASSES[rows]).values)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_batch_mates_repetition_and_threads_do_not_matter(technique: str, framework: str) -> None:
    method = TECHNIQUES[technique]
    together = explained(framework, method, slice(None))
    np.testing.assert_array_equal(explained(framework, method, slice(None)), together)
    found: dict[int, Values] = {}

    def work(row: int) -> None:
        found[row] = explained(framework, method, slice(row, row + 1))

    threads = [threading.Thread(target=work, args=(row,)) for row in (0, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in (0, 2):
        assert np.abs(found[row][0] - together[row]).max() <= 1e-12 * np.abs(together[row]).max()


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_torch_net_stays_as_it_was(technique: str) -> None:
    from tests.parity.nets_torch import net

    made = net(NET).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    x = torch.from_numpy(np.moveaxis(nets.inputs(NET, 3), -1, 1).copy())
    kept = x.clone()
    TECHNIQUES[technique](made, x, CLASSES)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert made.training and torch.equal(x, kept) and not x.requires_grad
    for module in made.modules():
        assert not module._forward_hooks and not module._backward_hooks
        assert not module._forward_pre_hooks and "forward" not in vars(module)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_keras_net_stays_as_it_was(technique: str) -> None:
    from tests.parity.nets_keras import net

    made = net(NET)
    before = [value.copy() for value in made.get_weights()]
    calls = [layer.call for layer in made.layers]
    TECHNIQUES[technique](made, nets.inputs(NET, 2), CLASSES[:2])
    for value, kept in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
    assert [layer.call for layer in made.layers] == calls
