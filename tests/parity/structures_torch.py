"""Structures in which shapes alone do not tell the feature map: small nets on PyTorch."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, CLASSES = 8, 2, 5
PATCH = 8


class Attention(nn.Module):
    """Of each token to all; with keys and queries normed per head where that is asked for."""

    def __init__(self, width: int = WIDTH, normed: bool = False):
        super().__init__()
        self.mix = nn.Linear(width, 3 * width)
        self.normed = normed
        self.query_norm, self.key_norm = (nn.LayerNorm(width // HEADS) for _ in range(2))
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, tokens, width = x.shape
        mixed = self.mix(x).reshape(count, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        q, k, v = mixed
        if self.normed:
            q, k = self.query_norm(q), self.key_norm(k)
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(count, tokens, width))


class ChannelAttention(nn.Module):
    """Of each channel to all, by products along the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(WIDTH, 3 * WIDTH)
        self.key_norm = nn.Softmax(dim=-1)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, tokens, width = x.shape
        q, k, v = self.mix(x).reshape(count, tokens, 3, HEADS, -1).permute(2, 0, 3, 4, 1)
        q, k = functional.normalize(q, dim=-1), self.key_norm(k)
        mixed = (q @ k.mT).softmax(-1) @ v
        return self.out(mixed.permute(0, 3, 1, 2).reshape(count, tokens, width))


class OutlookAttention(nn.Module):
    """Of each place to its 3 x 3 neighbours, by weights computed from the place alone; (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.values, self.weights = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 81)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, high, wide, width = x.shape
        windows = functional.unfold(self.values(x).permute(0, 3, 1, 2), 3, padding=1)
        windows = windows.reshape(count, width, 9, high * wide).permute(0, 3, 2, 1)
        weights = self.weights(x).reshape(count, high * wide, 9, 9).softmax(-1)
        mixed = (weights @ windows).permute(0, 3, 2, 1).reshape(count, width * 9, high * wide)
        folded = functional.fold(mixed, (high, wide), 3, padding=1)
        return self.out(folded.permute(0, 2, 3, 1))


class ShiftedWindows(nn.Module):
    """Attention within windows of 2 x 2 places, moved by one place; (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.within = Attention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, high, wide, width = x.shape
        moved = torch.roll(x, (-1, -1), (1, 2))
        parts = moved.reshape(count, high // 2, 2, wide // 2, 2, width).permute(0, 1, 3, 2, 4, 5)
        mixed = self.within(parts.reshape(-1, 4, width))
        back = mixed.reshape(count, high // 2, wide // 2, 2, 2, width).permute(0, 1, 3, 2, 4, 5)
        return torch.roll(back.reshape(x.shape), (1, 1), (1, 2))


class Block(nn.Module):
    """Attention and a perceptron, each behind a norm and beside a shortcut."""

    def __init__(self, attention: nn.Module):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), attention
        self.norm2 = nn.LayerNorm(WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.narrow(functional.gelu(self.wide(self.norm2(x))))


class ClassAttention(nn.Module):
    """Only the class token asks, and only it changes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, token: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        both = self.norm(torch.cat([token, patches], 1))
        weights = (self.query(both[:, :1]) @ self.key(both).mT).softmax(-1)
        return token + weights @ self.value(both)


class Tokens(nn.Module):
    """Patches, blocks, and a head that reads a class token, class attention or the mean.

    Args:
        attentions: of each block.
        read: "token" (first of all), "register" (last of all), "stages" (class attention), or "mean".
        patch: height and width of a patch.
        patchify: "convolution", "reshape" (cut by reshaping), or "columns" (column after column).
        flat: whether places are in one row.
    """

    def __init__(
        self,
        *attentions: nn.Module,
        read: str = "mean",
        patch: tuple[int, int] = (PATCH, PATCH),
        patchify: str = "convolution",
        flat: bool = True,
    ):
        super().__init__()
        self.read, self.patch, self.patchify, self.flat = read, patch, patchify, flat
        self.patches = nn.Conv2d(3, WIDTH, patch, patch)
        self.embed = nn.Linear(3 * patch[0] * patch[1], WIDTH)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.blocks = nn.ModuleList([Block(one) for one in attentions])
        self.classes = nn.ModuleList([ClassAttention() for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def cut(self, x: torch.Tensor) -> torch.Tensor:
        if self.patchify == "convolution":
            return self.patches(x).permute(0, 2, 3, 1)
        if self.patchify == "columns":
            return self.patches(x).permute(0, 3, 2, 1)
        (count, colours, high, wide), (rows, columns) = x.shape, self.patch
        parts = x.reshape(count, colours, high // rows, rows, wide // columns, columns)
        return self.embed(parts.permute(0, 2, 4, 1, 3, 5).flatten(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.cut(x)
        x = x.flatten(1, 2) if self.flat else x
        token = self.token.expand(len(x), -1, -1)
        if self.read == "token":
            x = torch.cat([token, x], 1)
        if self.read == "register":
            x = torch.cat([x, token], 1)
        for block in self.blocks:
            x = block(x)
        if self.read == "stages":
            x = x if self.flat else x.flatten(1, 2)
            for one in self.classes:
                token = one(token, x)
            return self.head(self.norm(token)[:, 0])
        x = self.norm(x)
        if self.read == "mean":
            return self.head(x.mean((1,) if self.flat else (1, 2)))
        return self.head(x[:, 0] if self.read == "token" else x[:, -1])


class Convolutions(nn.Module):
    """Convolutions with rectifiers as modules, global average, linear.

    Args:
        widths: channels, from the input's on.
        strides: of each convolution.
        rank: 2 for pictures, 3 for volumes.
        colour: whether the net itself adds the channel axis.
        activation: of the last convolution: a module or a function.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (3, 4, 6),
        strides: tuple[object, ...] = (2, 2),
        rank: int = 2,
        colour: bool = False,
        activation: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ):
        super().__init__()
        kind = nn.Conv2d if rank == 2 else nn.Conv3d
        self.first = kind(widths[0], widths[1], 3, strides[0], 1)
        self.act = nn.ReLU()
        self.last = kind(widths[1], widths[2], 3, strides[1], 1)
        self.final = nn.ReLU() if activation is None else activation
        self.head = nn.Linear(widths[2], CLASSES)
        self.colour = colour

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, None] if self.colour else x
        return self.head(self.final(self.last(self.act(self.first(x)))).flatten(2).mean(-1))
