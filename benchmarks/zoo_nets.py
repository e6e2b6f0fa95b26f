"""The nets of the zoo, with random weights: those of timm and torchvision are listed here, those of
keras-hub in a file beside this, those of transformers, keras.applications, flax and equinox with the
tests, which run them too."""

from collections.abc import Callable, Collection

import numpy as np
import torch
from numpy.typing import NDArray
from tests.parity.foreign_nets import Foreign

LIBRARIES = ("timm", "torchvision", "transformers", "keras", "flax", "equinox", "keras_hub")
"""As they are imported."""


def torch_net(
    make: Callable[[], torch.nn.Module], side: tuple[int, int]
) -> Callable[[], tuple[object, NDArray[np.float64]]]:
    def made() -> tuple[object, NDArray[np.float64]]:
        torch.manual_seed(0)
        net = make().double().eval()
        for weight in net.parameters():
            if (
                weight.ndim > 1 and not weight.any()
            ):  # a head of zeros would leave nothing to explain
                torch.nn.init.normal_(weight, std=0.02)
        return net, np.random.default_rng(0).normal(size=(2, 3, *side))

    return made


def timm(
    name: str, sites: str, grid: tuple[int, int], side: tuple[int, int] = (64, 96), **told: object
) -> tuple[str, Foreign]:
    """`sites`: the names of the map, between spaces."""

    def make() -> torch.nn.Module:
        import timm

        return timm.create_model(name, num_classes=10, **told)

    shown = " ".join([name, *(f"{key}={value}" for key, value in told.items() if value is True)])
    return f"timm {shown}", Foreign(torch_net(make, side), tuple(sites.split()), grid)


def sized(
    name: str, sites: str, grid: tuple[int, int], side: int = 64, **told: object
) -> tuple[str, Foreign]:
    """One that is made for a size."""
    return timm(name, sites, grid, (side, side), img_size=side, **told)


def torchvision(
    name: str, sites: str, grid: tuple[int, int], side: tuple[int, int] = (64, 96), **told: object
) -> tuple[str, Foreign]:
    def make() -> torch.nn.Module:
        import torchvision.models

        return getattr(torchvision.models, name)(weights=None, num_classes=10, **told)

    return f"torchvision {name}", Foreign(torch_net(make, side), tuple(sites.split()), grid)


TIMM = (
    timm("resnet18", "layer4.1.act2 layer4.1 layer4", (2, 3)),
    timm("resnetv2_18", "norm norm.act", (2, 3)),
    timm("densenet121", "features.norm5.act features.norm5 features", (2, 3)),
    timm("efficientnet_b0", "bn2.act bn2", (2, 3)),
    timm("mobilenetv3_small_050", "blocks.5.0.bn1.act blocks.5.0.bn1 blocks.5.0 blocks", (2, 3)),
    timm("regnety_002", "s4.b7.act3 s4.b7 s4 final_conv", (2, 3)),
    timm("repvgg_a0", "stages.3.0.act stages.3.0 stages.3 stages final_conv", (2, 3)),
    timm("ghostnet_050", "blocks.9.0.bn1.act blocks.9.0.bn1 blocks.9.0 blocks.9 blocks", (2, 3)),
    timm("inception_v3", "Mixed_7c", (2, 3), (107, 139)),
    timm("hrnet_w18_small", "final_layer.2 final_layer", (2, 3)),
    timm("convnext_atto", "stages.3.blocks.1 stages.3.blocks stages.3 stages norm_pre", (2, 3)),
    timm("convnextv2_atto", "stages.3.blocks.1 stages.3.blocks stages.3 stages norm_pre", (2, 3)),
    timm("poolformer_s12", "stages.3.blocks.1 stages.3.blocks stages.3 stages", (2, 3)),
    timm("edgenext_xx_small", "stages norm_pre stages.3 stages.3.blocks", (2, 3)),
    timm("mobilevit_xxs", "final_conv.bn.act final_conv.bn final_conv", (2, 3)),
    timm("efficientvit_b0", "head.in_conv.act head.in_conv", (2, 3)),
    timm("fastvit_t8", "final_conv.act final_conv", (2, 3)),
    timm("focalnet_tiny_srf", "norm layers layers.3 layers.3.blocks.1", (2, 3)),
    timm("pvt_v2_b0", "stages.3 stages stages.3.norm", (2, 3)),
    sized("vit_tiny_patch16_224", "blocks.11.norm1 blocks.10", (4, 4)),
    sized("vit_tiny_patch16_224", "blocks.11.norm1 blocks.10", (4, 4), qk_norm=True),
    sized("deit_tiny_distilled_patch16_224", "blocks.11.norm1 blocks.10", (4, 4)),
    sized("vit_small_patch14_reg4_dinov2", "blocks.3.norm1 blocks.2", (4, 4), 56, depth=4),
    sized("eva02_tiny_patch14_224", "norm blocks.11", (4, 4), 56),
    sized("cait_xxs24_224", "blocks.23 blocks blocks_token_only.1.norm1", (4, 4)),
    # Its second head takes the largest of the places' scores.
    sized(
        "volo_d1_224",
        "network.4 network.4.1 post_network.1.norm1 post_network.0 post_network.1 norm",
        (4, 4),
    ),
    timm(
        "xcit_nano_12_p16_224",
        "blocks.11 cls_attn_blocks.1.norm1 cls_attn_blocks.0",
        (4, 4),
        (64, 64),
    ),
    sized(
        "swin_tiny_patch4_window7_224",
        "norm layers layers.3 layers.3.blocks layers.3.blocks.1",
        (2, 2),
        window_size=4,
    ),
    sized(
        "swinv2_tiny_window8_256", "norm layers layers.3 layers.3.blocks.1", (2, 2), window_size=4
    ),
    sized("mixer_s32_224", "norm blocks blocks.7", (3, 3), 96),
    sized("resmlp_12_224", "norm blocks blocks.11", (4, 4)),
    sized("levit_128s", "stages stages.2 stages.2.blocks stages.2.blocks.3", (2, 2), 128),
    sized("pit_ti_224", "transformers.2.blocks.3.norm1 transformers.2.blocks.2", (2, 2)),
    sized("coat_lite_tiny", "serial_blocks4.1.norm1 cpe4:2", (4, 4), 128),
    sized("nest_tiny", "norm levels levels.2", (4, 4)),
    sized("mvitv2_tiny", "norm stages.3[0] stages.3.blocks.1[0]", (2, 2)),
    sized("tnt_s_legacy_patch16_224", "blocks.11.norm_out", (4, 4)),
)
TORCHVISION = (
    torchvision("resnet18", "layer4.1.relu:2 layer4.1 layer4", (2, 3)),
    torchvision("mobilenet_v3_small", "features.12.2 features.12 features", (2, 3)),
    # A rectifier as a function stands behind its last module.
    torchvision("densenet121", "relu", (2, 3)),
    torchvision("googlenet", "inception5b", (2, 3), aux_logits=False, init_weights=False),
    torchvision("convnext_tiny", "features.7.2 features.7 features", (2, 3)),
    torchvision("swin_t", "norm permute features features.7 features.7.1", (2, 3)),
    torchvision(
        "regnet_y_400mf",
        "trunk_output.block4.block4-5.activation trunk_output.block4.block4-5 trunk_output.block4 "
        "trunk_output",
        (2, 3),
    ),
    torchvision("shufflenet_v2_x0_5", "conv5.2 conv5", (2, 3)),
    torchvision("squeezenet1_1", "features.12 features classifier.0 classifier.2", (3, 5)),
    torchvision(
        "vit_b_16",
        "encoder.layers.encoder_layer_11.ln_1 encoder.layers.encoder_layer_10",
        (4, 4),
        (64, 64),
        image_size=64,
    ),
    torchvision(
        "maxvit_t",
        "blocks.3 blocks.3.layers.1 blocks.3.layers.1.layers blocks.3.layers.1.layers.grid_attention",
        (7, 7),
        (224, 224),
    ),
)


def keras_applications() -> dict[str, Foreign]:
    from tests.parity import foreign_keras

    more = {
        "EfficientNetB0": ("top_activation",),
        "DenseNet121": ("relu",),
        "MobileNetV3Small": (),
        "ConvNeXtTiny": (),
        "NASNetMobile": (),
    }
    return {
        **foreign_keras.NETS,
        **{
            f"keras {name}": Foreign(foreign_keras.net(name, (64, 96)), sites, (2, 3))
            for name, sites in more.items()
        },
    }


def nets(libraries: Collection[str]) -> dict[str, Foreign]:
    """Those of the libraries that are there."""
    found: dict[str, Foreign] = {}
    if "timm" in libraries:
        found |= dict(TIMM)
    if "torchvision" in libraries:
        found |= dict(TORCHVISION)
    if "transformers" in libraries:
        from tests.parity import foreign_transformers

        found |= foreign_transformers.NETS
    if "keras" in libraries:
        found |= keras_applications()
    if {"keras", "keras_hub"} <= set(libraries):
        from benchmarks import zoo_keras_hub

        found |= zoo_keras_hub.NETS
    if {"flax", "equinox"} <= set(libraries):
        from tests.parity import foreign_jax

        found |= foreign_jax.NETS
    return found
