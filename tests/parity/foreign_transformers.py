"""Nets of Hugging Face's transformers, made small by their configurations."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tests.parity.foreign_nets import Foreign

COMMON = {"num_labels": 5}
BLOCKS = {
    **COMMON,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
PATCHES = {**BLOCKS, "image_size": (32, 48), "patch_size": 8}
SQUARE = {**PATCHES, "image_size": 32}


class OnEmbeddings(torch.nn.Module):
    """A language model as a function of its tokens' vectors."""

    def __init__(self, net: torch.nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> object:
        return self.net(inputs_embeds=x)


def net(
    kind: str, head: str, shape: tuple[int, ...], embedded: bool = False, **options: object
) -> Callable[[], tuple[object, NDArray[np.float64]]]:
    def make() -> tuple[object, NDArray[np.float64]]:
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(**options)
        made = getattr(transformers, f"{kind}For{head}Classification")(config).double().eval()
        for (
            weight
        ) in made.parameters():  # the small numbers that they come with leave little to see
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.5 / weight[0].numel() ** 0.5)
        x = np.random.default_rng(0).normal(size=(2, *shape))
        return (OnEmbeddings(made) if embedded else made), x

    return make


def after_first_block(of: str, norm: str) -> tuple[str, ...]:
    """A transformer of two blocks whose head reads the class token: the last values by which the other
    tokens tell the score."""
    return (f"{of}.1.{norm}", f"{of}.0")


TRANSFORMER = {"normalization": 5, "softmax": 2, "matmul": 4, "gelu": 2, "dense": 13}

NETS = {
    "transformers ResNet": Foreign(
        net(
            "ResNet",
            "Image",
            (3, 48, 64),
            **COMMON,
            embedding_size=8,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            layer_type="basic",
        ),
        (
            "resnet.encoder.stages.1.layers.0.activation",
            "resnet.encoder.stages.1.layers.0",
            "resnet.encoder.stages.1",
            "resnet.encoder['last_hidden_state']",
        ),
        (6, 8),
        {"convolution": 6, "relu": 5, "max_pool": 1, "dense": 1},
    ),
    "transformers RegNet": Foreign(
        net(
            "RegNet",
            "Image",
            (3, 48, 64),
            **COMMON,
            embedding_size=8,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            groups_width=4,
        ),
        (
            "regnet.encoder.stages.1.layers.0.activation",
            "regnet.encoder.stages.1.layers.0",
            "regnet.encoder.stages.1.layers",
            "regnet.encoder.stages.1",
            "regnet.encoder['last_hidden_state']",
        ),
        (6, 8),
        # Two blocks of four convolutions and two that squeeze and excite; the gates are products.
        {"convolution": 13, "relu": 9, "sigmoid": 2, "mul": 2, "dense": 1},
    ),
    "transformers MobileNetV2": Foreign(
        net(
            "MobileNetV2",
            "Image",
            (3, 64, 96),
            **COMMON,
            depth_multiplier=0.25,
            min_depth=4,
            depth_divisible_by=4,
        ),
        ("mobilenet_v2.conv_1x1.activation", "mobilenet_v2.conv_1x1"),
        (2, 3),
        {"convolution": 52, "relu6": 35, "dense": 1},
    ),
    "transformers ConvNeXt": Foreign(
        net(
            "ConvNext",
            "Image",
            (3, 48, 64),
            **COMMON,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            num_stages=2,
            layer_scale_init_value=1.0,
        ),
        (
            "convnext.encoder.stages.1.layers.0",
            "convnext.encoder.stages.1",
            "convnext.encoder['last_hidden_state']",
        ),
        (6, 8),
        {"convolution": 4, "normalization": 5, "gelu": 2, "dense": 5},
    ),
    "transformers PoolFormer": Foreign(
        net(
            "PoolFormer",
            "Image",
            (3, 32, 48),
            **COMMON,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            patch_sizes=[7, 3],
            strides=[4, 2],
            padding=[2, 1],
            num_encoder_blocks=2,
            layer_scale_init_value=1.0,
        ),
        (
            "norm",
            "poolformer.encoder.block.1.0[0]",
            "poolformer.encoder['last_hidden_state']",
            "poolformer['last_hidden_state']",
        ),
        (4, 6),
        {"convolution": 6, "normalization": 5, "gelu": 2, "dense": 1},
    ),
    "transformers ViT": Foreign(
        net("ViT", "Image", (3, 32, 48), **PATCHES),
        after_first_block("vit.layers", "layernorm_before"),
        (4, 6),
        {**TRANSFORMER, "convolution": 1},
    ),
    "transformers DeiT": Foreign(  # two tokens before the patches
        net("DeiT", "Image", (3, 32, 48), **PATCHES),
        after_first_block("deit.layers", "layernorm_before"),
        (4, 6),
        {**TRANSFORMER, "convolution": 1},
    ),
    "transformers BEiT": Foreign(  # its head reads the mean of the patches
        net("Beit", "Image", (3, 32, 48), **PATCHES, use_relative_position_bias=True),
        ("beit.layers.1", "beit.layernorm"),
        (4, 6),
        {**TRANSFORMER, "convolution": 1},
    ),
    "transformers DINOv2": Foreign(  # its head reads the class token and the mean of the patches
        net("Dinov2", "Image", (3, 32, 32), **SQUARE, layerscale_value=1.0),
        (
            "dinov2.layernorm",
            "dinov2.encoder.layer.1",
            "dinov2.encoder['last_hidden_state']",
            "dinov2['last_hidden_state']",
        ),
        (4, 4),
        {**TRANSFORMER, "convolution": 1},
    ),
    "transformers Swin": Foreign(  # 16 channels at the end, as many as places
        net(
            "Swin",
            "Image",
            (3, 32, 32),
            **COMMON,
            image_size=32,
            embed_dim=8,
            depths=[2, 2],
            num_heads=[2, 2],
            window_size=2,
        ),
        (
            "swin.layernorm",
            "swin.encoder['last_hidden_state']",
            "swin.encoder.layers.1[0]",
            "swin.encoder.layers.1.blocks.1[0]",
        ),
        (4, 4),
        # One norm for the patches, two for each block, one for the merging, one at the end.
        {
            "convolution": 1,
            "normalization": 11,
            "softmax": 4,
            "matmul": 8,
            "gelu": 4,
            "dense": 26,
        },
    ),
    "transformers SegFormer": Foreign(
        net(
            "Segformer",
            "Image",
            (3, 32, 48),
            **COMMON,
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[2, 1],
            hidden_sizes=[8, 16],
            patch_sizes=[7, 3],
            strides=[4, 2],
            num_attention_heads=[1, 2],
            mlp_ratios=[2, 2],
        ),
        (
            "segformer.stages.1",
            "segformer['last_hidden_state']",
            "segformer.stages.1.layer_norm",
            "segformer.stages.1.blocks.0",
        ),
        (4, 6),
        {
            "convolution": 5,
            "normalization": 9,
            "softmax": 2,
            "matmul": 4,
            "gelu": 2,
            "dense": 13,
        },
    ),
    "transformers BERT": Foreign(  # post-norm; the pooler reads the first token
        net("Bert", "Sequence", (6, 16), embedded=True, **BLOCKS, vocab_size=30),
        (
            "net.bert.encoder.layer.0",
            "net.bert.encoder.layer.0.output",
            "net.bert.encoder.layer.0.output.LayerNorm",
        ),
        (6,),
        {
            "normalization": 5,
            "softmax": 2,
            "matmul": 4,
            "gelu": 2,
            "tanh": 1,
            "dense": 14,
        },
    ),
    "transformers wav2vec 2": Foreign(  # a wave (N, samples); its head reads the mean over time
        net(
            "Wav2Vec2",
            "Sequence",
            (400,),
            **BLOCKS,
            conv_dim=(8, 8),
            conv_stride=(4, 2),
            conv_kernel=(8, 4),
            num_feat_extract_layers=2,
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
            classifier_proj_size=8,
        ),
        (
            "wav2vec2.encoder.layers.1",
            "wav2vec2.encoder.layers.1.final_layer_norm",
            "wav2vec2.encoder['last_hidden_state']",
            "wav2vec2['last_hidden_state']",
            "projector",
        ),
        (48,),
        # One group norm among the convolutions, two for the features, two for each block.
        {
            "convolution": 3,
            "normalization": 7,
            "softmax": 2,
            "matmul": 4,
            "gelu": 5,
            "dense": 15,
        },
    ),
}
