"""The nets of the zoo that are keras-hub's: image classifiers from small configurations, with random
weights."""

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from tests.parity.foreign_keras import in_double
from tests.parity.foreign_nets import Foreign


def net(
    name: str, side: tuple[int, int], **options: object
) -> Callable[[], tuple[object, NDArray[np.float64]]]:
    def made() -> object:
        models = import_module("keras_hub").models
        backbone = getattr(models, f"{name}Backbone")(image_shape=(*side, 3), **options)
        return getattr(models, f"{name}ImageClassifier")(backbone=backbone, num_classes=5)

    return lambda: (in_double(made), np.random.default_rng(0).normal(size=(2, *side, 3)))


TOKENS = {"patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 16}

NETS = {
    "keras_hub ResNet": Foreign(
        net(
            "ResNet",
            (64, 96),
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 32],
            stackwise_num_blocks=[1, 1],
            stackwise_num_strides=[1, 2],
            block_type="basic_block",
        ),
        ("res_net_backbone/stack1_block0_out",),
        (8, 12),
    ),
    "keras_hub DenseNet": Foreign(
        net("DenseNet", (64, 96), stackwise_num_repeats=[2, 2], growth_rate=8),
        ("dense_net_backbone/relu",),
        (8, 12),
    ),
    "keras_hub Xception": Foreign(
        net(
            "Xception",
            (64, 96),
            stackwise_conv_filters=[[8, 8], [16, 16]],
            stackwise_pooling=[True, False],
        ),
        ("xception_backbone/block2_sepconv2_act",),
        (15, 23),
    ),
    "keras_hub ViT": Foreign(
        net("ViT", (64, 64), mlp_dim=32, **TOKENS),
        ("vi_t_backbone/vit_encoder/transformer_block_2/ln_1",),
        (4, 4),
    ),
    "keras_hub DeiT": Foreign(
        net("DeiT", (64, 64), intermediate_dim=32, **TOKENS),
        ("dei_t_backbone/deit_encoder/transformer_block_2/ln_1",),
        (4, 4),
    ),
    "keras_hub SwinTransformer": Foreign(
        net(
            "SwinTransformer",
            (64, 64),
            patch_size=4,
            embed_dim=8,
            depths=[2, 2],
            num_heads=[2, 2],
            window_size=4,
        ),
        ("swin_transformer_backbone/norm",),
        (8, 8),
    ),
}
