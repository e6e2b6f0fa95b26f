"""The demonstration nets: the same logits in every framework, and their known mistakes."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
import jax
import jax.numpy as jnp
import keras
import numpy as np
import numpy.typing as npt
import pytest

from backlight_demo import (
    efficientnet_lite0,
    efficientnet_lite0_jax,
    efficientnet_lite0_keras,
    efficientnet_lite0_torch,
    fashion,
    fashion_jax,
    fashion_keras,
    fashion_torch,
)
from backlight_demo.installed import NotInstalledError, file_of
from backlight_demo.photos import photos

# Keras on torch meets it in its own conversion to NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Values = npt.NDArray[Any]
Net = Callable[[Any], Any]
Framework = Literal["torch", "keras", "jax"]

FRAMEWORKS: tuple[Framework, ...] = ("torch", "keras", "jax")
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}

# On its other backends Keras rounds float64 to float32 inside matmul and batch norm.
KERAS_IS_EXACT = keras.backend.backend() == "tensorflow"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(framework: Framework, net: Net, images: Values) -> Values:
    """A net's answer to channels-last pixels, in NumPy."""
    if framework == "torch":
        with torch.no_grad():
            answer: Values = net(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
            return answer
    if framework == "keras":
        return np.asarray(keras.ops.convert_to_numpy(net(images)))
    return np.asarray(jax.jit(net)(jnp.asarray(images)))


def by_hand(images: Values, trained: fashion.Trained) -> Values:
    """The Fashion-MNIST net in NumPy, straight from the stored layout; images (N, 1, 28, 28)."""
    stored = fashion.weights(trained)
    weights = {name: values.astype(np.float64) for name, values in stored.items()}
    x = images
    for name in ("conv1", "conv2", "conv3"):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        x = np.einsum("nirckl,oikl->norc", windows, weights[f"{name}.kernel"], optimize=True)
        x = np.maximum(x + weights[f"{name}.bias"][:, None, None], 0)
        half = x.shape[-1] // 2
        x = x[:, :, : 2 * half, : 2 * half].reshape(*x.shape[:2], half, 2, half, 2).max((3, 5))
    x = x.reshape(len(x), -1) @ weights["dense1.kernel"].T + weights["dense1.bias"]
    return np.asarray(np.maximum(x, 0) @ weights["dense2.kernel"].T + weights["dense2.bias"])


@pytest.mark.parametrize(
    ("dtype", "trained"), [("float64", "plain"), ("float32", "plain"), ("float32", "marked")]
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fashion_logits_are_those_of_the_stored_weights(
    framework: Framework, dtype: str, trained: fashion.Trained
) -> None:
    images = fashion.examples()[0][:16]
    build = {"torch": fashion_torch.net, "keras": fashion_keras.net, "jax": fashion_jax.net}
    with jax.enable_x64(dtype == "float64"):
        net = build[framework](dtype, trained)
        logits = run(framework, net, fashion.pictures(images, "last", dtype))
    assert logits.dtype == dtype
    expected = by_hand(fashion.pictures(images, "first", "float64"), trained)
    exact = framework != "keras" or KERAS_IS_EXACT
    tolerance = TOLERANCE[dtype if exact else "float32"]
    np.testing.assert_allclose(logits, expected, rtol=tolerance, atol=tolerance)


def test_fashion_examples_are_named_about_nine_times_in_ten() -> None:
    images, labels = fashion.examples()
    assert images.shape == (2000, 28, 28)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert labels[:5].tolist() == [9, 2, 1, 1, 6]
    logits = run("torch", fashion_torch.net(), fashion.pictures(images, "last"))
    assert 0.88 < (logits.argmax(1) == labels).mean() < 0.93


@pytest.mark.parametrize(
    ("channels", "shape"), [("first", (1, 1, 28, 28)), ("last", (1, 28, 28, 1))]
)
def test_pictures_run_from_zero_to_one(
    channels: Literal["first", "last"], shape: tuple[int, ...]
) -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 2, 5] = 255
    pixels = fashion.pictures(image, channels, "float64")
    assert pixels.shape == shape
    np.testing.assert_array_equal(pixels.squeeze(), image[0] == 255)


@pytest.fixture(scope="module")
def crops() -> npt.NDArray[np.uint8]:
    shown = photos()
    prepare = efficientnet_lite0.prepare
    return np.stack([prepare(shown[name].picture) for name in ("grace_hopper", "coffee")])


@pytest.fixture(scope="module")
def lite0_logits(crops: npt.NDArray[np.uint8]) -> Values:
    """What PyTorch says in float64; its figures are judged by `test_lite0_mistakes_the_admiral`."""
    images = efficientnet_lite0.pixels(crops, "last", "float64")
    return run("torch", efficientnet_lite0_torch.net("float64"), images)


@pytest.mark.parametrize("framework", ["keras", "jax"])
def test_lite0_logits_agree(
    framework: Framework, crops: npt.NDArray[np.uint8], lite0_logits: Values
) -> None:
    build = {"keras": efficientnet_lite0_keras.net, "jax": efficientnet_lite0_jax.net}
    with jax.enable_x64(True):
        net = build[framework]("float64")
        logits = run(framework, net, efficientnet_lite0.pixels(crops, "last", "float64"))
    assert logits.dtype == np.float64
    tolerance = 1e-9 if framework != "keras" or KERAS_IS_EXACT else 1e-4
    np.testing.assert_allclose(logits, lite0_logits, rtol=tolerance, atol=tolerance)


def test_lite0_mistakes_the_admiral(lite0_logits: Values) -> None:
    odds = torch.tensor(lite0_logits).softmax(1).numpy()
    admiral, coffee = odds
    assert efficientnet_lite0.CLASSES[admiral.argmax()].startswith("academic gown")
    assert admiral.max() == pytest.approx(0.244, abs=0.01)
    assert admiral[photos()["grace_hopper"].label] == pytest.approx(0.177, abs=0.01)
    assert coffee.argmax() == photos()["coffee"].label
    assert coffee.max() == pytest.approx(0.951, abs=0.01)


def test_photos_are_labelled_with_what_they_show() -> None:
    named = {name: efficientnet_lite0.CLASSES[photo.label] for name, photo in photos().items()}
    assert named == {
        "camera": "tripod",
        "chelsea": "tabby, tabby cat",
        "china": "palace",
        "clock": "wall clock",
        "coffee": "espresso",
        "grace_hopper": "military uniform",
        "rocket": "missile",
    }
    for name, photo in photos().items():
        assert photo.name == name
        assert photo.picture.mode == "RGB"


def test_building_leaves_random_states_alone() -> None:
    before = torch.random.get_rng_state()
    fashion_torch.net()
    efficientnet_lite0_torch.net()
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("package", ["no_such_package", "backlight_demo"])
def test_missing_file_says_what_to_install(package: str) -> None:
    with pytest.raises(NotInstalledError, match=r"pip install 'backlight\[photos\]'") as caught:
        file_of(package, "no/such.file")
    assert caught.value.name == package
