"""The JAX backend: fixtures."""

from collections.abc import Iterator

import jax
import pytest

import backlight


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    backlight.forget()


@pytest.fixture
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield
