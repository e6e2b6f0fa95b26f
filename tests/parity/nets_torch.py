"""The nets in PyTorch: modules, functions, methods and in-place operations."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.parity.nets import CHANNELS, HEADS, HIDDEN, SEQUENCES, WIDTH, weights

Tensor = torch.Tensor


class Net(nn.Module):
    """Holds the weights as parameters in torch's layouts."""

    def __init__(self, name: str):
        super().__init__()
        for key, array in weights(name).items():
            if key == "depthwise":
                array = array.transpose(2, 3, 0, 1)
            elif array.ndim == 4:
                array = array.transpose(3, 2, 0, 1)
            elif array.ndim == 2:
                array = array.T
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            self.register_buffer(key.replace(".", "_"), tensor)
        self.features = nn.Identity()
        self.double().eval()

    def conv(self, x: Tensor, name: str, bias: bool = True, padding: int = 1, groups: int = 1):
        given = getattr(self, f"{name}_bias") if bias else None
        return functional.conv2d(x, getattr(self, name), given, padding=padding, groups=groups)

    def dense(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, getattr(self, name), getattr(self, f"{name}_bias"))

    def norm(self, x: Tensor, name: str) -> Tensor:
        mean, variance, scale, shift = (
            getattr(self, f"{name}_{part}") for part in ("mean", "variance", "scale", "shift")
        )
        return functional.batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    def top(self, x: Tensor) -> Tensor:
        # A module, so that there is a site for techniques that read a feature map.
        return self.dense(self.features(x).mean((2, 3)), "head")


class Cnn(Net):
    def __init__(self, name: str):
        super().__init__(name)
        self.pool = nn.MaxPool2d(2)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv(x, "conv1")))
        return self.top(self.relu2(self.conv(x, "conv2")))


class BatchNorm(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.conv(x, "conv1", bias=False), "norm1"))
        x = x + self.norm(self.conv(x, "conv2", bias=False), "norm2")
        return self.top(x.relu())


class OverlappingPools(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.conv(x, "conv1")), 3, 2)
        x = functional.max_pool2d(torch.relu(self.conv(x, "conv2")), 3, 1)
        return self.top(x)


class ReusedReLU(Net):
    def __init__(self, name: str):
        super().__init__(name)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x, "conv1"))
        x = self.relu(self.conv(x, "conv2")) - 0.1
        x = self.conv(x, "conv2").clamp(min=0)
        x = self.conv(x, "conv2")
        return self.top(self.relu(x))


class GELU(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.conv(x, "conv1"))
        return self.top(functional.gelu(self.conv(x, "conv2")))


class SqueezeExcite(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.conv(x, "conv1"))
        x = functional.silu(self.conv(x, "depthwise", groups=CHANNELS))
        squeezed = functional.silu(self.dense(x.mean((2, 3)), "squeeze"))
        gate = torch.sigmoid(self.dense(squeezed, "excite"))
        return self.top(x * gate[:, :, None, None])


class Encoder(Net):
    def __init__(self, name: str):
        super().__init__(name)
        self.layer = nn.TransformerEncoderLayer(
            WIDTH,
            HEADS,
            HIDDEN,
            activation="gelu",
            batch_first=True,
            norm_first=name == "encoder_pre_norm",
        )
        parts = [getattr(self, key) for key in ("query", "key", "value")]
        biases = [getattr(self, f"{key}_bias") for key in ("query", "key", "value")]
        held = {
            "self_attn.in_proj_weight": torch.cat(parts),
            "self_attn.in_proj_bias": torch.cat(biases),
            "self_attn.out_proj.weight": self.out,
            "self_attn.out_proj.bias": self.out_bias,
            "linear1.weight": self.up,
            "linear1.bias": self.up_bias,
            "linear2.weight": self.down,
            "linear2.bias": self.down_bias,
            "norm1.weight": self.norm1_scale,
            "norm1.bias": self.norm1_shift,
            "norm2.weight": self.norm2_scale,
            "norm2.bias": self.norm2_shift,
        }
        self.double()
        self.layer.load_state_dict(held)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.layer(x).mean(1), "head")


def net(name: str, dtype: str = "float64") -> nn.Module:
    makers = {
        "cnn": Cnn,
        "batch_norm": BatchNorm,
        "overlapping_pools": OverlappingPools,
        "reused_relu": ReusedReLU,
        "gelu": GELU,
        "squeeze_excite": SqueezeExcite,
    }
    make = Encoder if name in SEQUENCES else makers[name]
    return make(name).to(getattr(torch, dtype))
