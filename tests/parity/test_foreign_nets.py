"""Nets of Hugging Face, keras.applications, flax and equinox: what they are, and what techniques make of
them. In float64, with random weights."""

import numpy as np
import pytest

from backlight.errors import SiteError
from tests.parity import foreign_jax, foreign_keras, foreign_transformers
from tests.parity.foreign_nets import chosen, explained

NETS = {**foreign_transformers.NETS, **foreign_keras.NETS, **foreign_jax.NETS}
MAPPED = [name for name, net in NETS.items() if net.grid]
LONG = ("keras InceptionV3", "keras ResNet50")
"""Nets that take a third of the time. Where their maps lie is looked at by all; the rest in the sweep."""
IN_TURN = [pytest.param(name, marks=[pytest.mark.sweep] if name in LONG else []) for name in NETS]
MAPPED_IN_TURN = [one for one in IN_TURN if one.values[0] in MAPPED]
COMPLETE = 1e-6  # of the score's change from the baseline


@pytest.mark.parametrize("name", MAPPED)
def test_the_feature_map_is_what_a_person_would_choose(name: str) -> None:
    net = explained(NETS[name])
    found = chosen(net.grad_cam())
    assert found.site in net.foreign.sites
    assert found.grid == net.foreign.grid


@pytest.mark.parametrize("name", MAPPED)
def test_grad_cam_sees_the_picture(name: str) -> None:
    first, second = np.asarray(explained(NETS[name]).grad_cam().values)
    assert np.abs(first).max() > 0
    assert np.abs(first - second).max() > 1e-3 * np.abs(first).max()


@pytest.mark.parametrize("name", MAPPED_IN_TURN)
def test_one_row_is_what_it_is_among_many(name: str) -> None:
    net = explained(NETS[name])
    many, one = net.grad_cam(), net.grad_cam(rows=1)
    assert one.at == many.at
    values = np.asarray(many.values)[:1]
    np.testing.assert_allclose(
        np.asarray(one.values), values, rtol=1e-9, atol=1e-12 * np.abs(values).max()
    )


@pytest.mark.parametrize("name", sorted(set(NETS) - set(MAPPED)))
def test_where_there_are_no_places_there_is_no_map(name: str) -> None:
    with pytest.raises(SiteError, match="No feature map"):
        explained(NETS[name]).grad_cam()


@pytest.mark.parametrize("name", IN_TURN)
def test_the_operations_are_what_the_net_was_made_of(name: str) -> None:
    net = explained(NETS[name])
    assert net.kinds() == net.foreign.kinds


@pytest.mark.parametrize("name", IN_TURN)
def test_deep_lift_is_complete(name: str) -> None:
    found = explained(NETS[name]).deep_lift()
    assert found.relative_gap is not None
    assert found.relative_gap.max() <= COMPLETE
    assert found.warnings == ()
