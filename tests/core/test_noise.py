"""Random numbers from a seed."""

import numpy as np
import pytest

from backlight.values.noise import choice, normal, uniform


def test_each_draw_has_its_own_address() -> None:
    drawn = {
        normal(seed, sample, leaf, (1,))[0]
        for seed in range(3)
        for sample in range(3)
        for leaf in range(3)
    }
    assert len(drawn) == 27
    assert len({uniform(seed, sample) for seed in range(3) for sample in range(3)}) == 9


def test_the_same_address_gives_the_same_numbers() -> None:
    np.testing.assert_array_equal(normal(1, 2, 3, (4, 5)), normal(1, 2, 3, (4, 5)))
    assert uniform(1, 2) == uniform(1, 2)
    assert choice(1, 2, 10) == choice(1, 2, 10)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 6), (3, 2, 3, 4)])
def test_a_picture_has_the_same_noise_wherever_its_channels_are(shape: tuple[int, ...]) -> None:
    first = normal(1, 2, 3, shape, "first")
    last = normal(1, 2, 3, (*shape[1:], shape[0]), "last")
    assert first.shape == shape
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), last)
    assert len(np.unique(first)) == first.size


def test_the_numbers_are_distributed_as_they_should() -> None:
    numbers = normal(0, 0, 0, (20_000,))
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 1) < 0.03
    places = np.array([uniform(0, sample) for sample in range(4000)])
    assert places.min() >= 0
    assert places.max() < 1
    np.testing.assert_allclose(np.histogram(places, 4, (0, 1))[0] / 4000, 0.25, rtol=0, atol=0.03)
    picked = np.bincount([choice(0, sample, 3) for sample in range(3000)], minlength=3)
    np.testing.assert_allclose(picked / 3000, 1 / 3, rtol=0, atol=0.04)


@pytest.mark.parametrize("leaf", [0, 1, 2])
def test_places_noise_and_choices_come_from_different_streams(leaf: int) -> None:
    """Smooth around expected gradients draws all three with one seed: they must not depend on one
    another. Each stream is known by its first uniform number."""
    for seed, sample in [(0, 0), (0, 5), (3, 1)]:
        streams = {
            purpose: np.random.default_rng([seed, sample, leaf if purpose == 1 else 0, purpose])
            for purpose in (1, 2, 3)
        }
        np.testing.assert_array_equal(
            normal(seed, sample, leaf, (3,)), streams[1].standard_normal(3)
        )
        assert uniform(seed, sample) == streams[2].random()
        assert choice(seed, sample, 10**9) == streams[3].integers(10**9)
        # Equal keys would give equal first numbers.
        firsts = {
            np.random.default_rng([seed, sample, leaf if purpose == 1 else 0, purpose]).random()
            for purpose in (1, 2, 3)
        }
        assert len(firsts) == 3
