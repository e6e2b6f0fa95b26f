"""Rules on TensorFlow and Keras nets: fixtures."""

from collections.abc import Iterator

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import pytest

import backlight


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    yield
    backlight.forget()
