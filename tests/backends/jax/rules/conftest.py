"""Rules on the JAX backend: fixtures."""

from collections.abc import Iterator

import jax
import pytest

import backlight
from tests.backends.jax.rules.nets import case


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield
    backlight.forget()


@pytest.fixture(scope="module", autouse=True)
def forget_cases() -> Iterator[None]:
    yield
    case.cache_clear()
