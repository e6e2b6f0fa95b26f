"""DeepLIFT's law on architectures of every style: how far the values' sum is from score - baseline score,
relative to that, the median over 8 inputs, in float64 and float32; beside it Captum's.

`python -m benchmarks.summation tensorflow` takes the nets of keras.applications; `... torch` those of
torchvision, which has to be installed beside torch. Weights are random, batch normalisation is calibrated
on noise.
"""

import sys
import warnings
from collections.abc import Callable

import numpy as np

import backlight
from backlight_methods import DeepLIFT

COUNT = 8
TORCHVISION = (
    "resnet18",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "densenet121",
    "googlenet",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
)
KERAS = (
    "ResNet50",
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetB0",
    "DenseNet121",
    "InceptionV3",
    "ConvNeXtTiny",
)


def inputs(side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(COUNT, 3, side, side)), rng.integers(0, 1000, COUNT)


def measured(net: object, framework: str, x: np.ndarray, labels: np.ndarray) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = backlight.wrap(net, framework)
            found = DeepLIFT()(model, x, labels, batch_size=4)
    except Exception as error:  # a table has a line for what fails
        return f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
    gap, change = found.gap, found.score - found.baseline_score
    assert gap is not None
    return f"{np.median(gap / np.abs(change)):.1e}"


def torch_net(name: str):
    import torch
    import torchvision

    torch.manual_seed(0)
    options = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
    net = getattr(torchvision.models, name)(weights=None, **options)
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches
        if name == "convnext_tiny" and hasattr(module, "layer_scale"):
            torch.nn.init.ones_(module.layer_scale)  # 1e-6 would leave nothing of a block
    net.train()
    with torch.no_grad():
        if name == "vit_b_16":
            net.heads.head.weight.normal_(0.0, 0.02)  # zeros as it comes: all scores would be 0
        for _ in range(2):
            net(torch.randn(8, 3, 224, 224))
    return net.eval()


def captum_gap(net: object, x: np.ndarray, labels: np.ndarray) -> str:
    import captum.attr
    import torch

    images, classes = torch.from_numpy(x), torch.from_numpy(labels)
    gaps = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for row in range(0, COUNT, 4):
                part, wanted = images[row : row + 4], classes[row : row + 4]
                _, delta = captum.attr.DeepLift(net).attribute(
                    part, target=wanted, return_convergence_delta=True
                )
                with torch.no_grad():
                    change = (net(part) - net(torch.zeros_like(part))).gather(1, wanted[:, None])
                gaps.append((delta.abs() / change[:, 0].abs()).detach().numpy())
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:60]}"
    return f"{np.median(np.concatenate(gaps)):.1e}"


def keras_net(name: str, dtype: str):
    import keras

    keras.utils.set_random_seed(0)
    keras.backend.set_floatx(dtype)
    make: Callable = getattr(keras.applications, name)
    net = make(weights=None, classifier_activation=None, input_shape=(224, 224, 3))
    norms = [one for one in net.layers if isinstance(one, keras.layers.BatchNormalization)]
    kept = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 0.0  # the statistics of the last batch
    rng = np.random.default_rng(1)
    if norms:
        net(rng.normal(size=(8, *net.input_shape[1:])).astype(dtype), training=True)
    for one, momentum in zip(norms, kept, strict=True):
        one.momentum = momentum
    for one in net.layers:
        if type(one).__name__ == "LayerScale":
            one.gamma.assign(np.ones(one.gamma.shape))  # 1e-6 would leave nothing of a block
    return net


def main() -> None:
    framework, *names = sys.argv[1:]
    if framework == "torch":
        print(f"{'architecture':20}{'float64':12}{'float32':12}{'Captum, float32'}", flush=True)
        x, labels = inputs(224)
        small = x.astype("float32")
        for name in names or TORCHVISION:
            net = torch_net(name)
            single = measured(net, "torch", small, labels)
            peer = captum_gap(net, small, labels)
            double = measured(net.double(), "torch", x, labels)
            print(f"{name:20}{double:12}{single:12}{peer}", flush=True)
        return
    print(f"{'architecture':20}{'float64':12}{'float32':12}", flush=True)
    for name in names or KERAS:
        row = []
        for dtype in ("float64", "float32"):
            net = keras_net(name, dtype)
            x, labels = inputs(net.input_shape[1])
            row.append(measured(net, "tensorflow", np.moveaxis(x, 1, -1).astype(dtype), labels))
            backlight.forget()
        print(f"{name:20}{row[0]:12}{row[1]:12}", flush=True)


if __name__ == "__main__":
    main()
