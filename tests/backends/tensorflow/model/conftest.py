"""The TensorFlow and Keras backend: fixtures."""

from collections.abc import Iterator

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import pytest

import backlight


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    keras.utils.set_random_seed(0)
    yield
    backlight.forget()
