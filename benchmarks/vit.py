"""A vision transformer of the size of ViT-Tiny (Dosovitskiy et al. 2021; Touvron et al. 2021) in PyTorch,
random weights: what the cost of rules at attention, normalisations and GELU is measured on."""

WIDTH, HEADS, DEPTH, PATCH, CLASSES = 192, 3, 12, 16, 1000


def torch_net(size: int):
    import torch
    from torch import nn
    from torch.nn.functional import gelu, scaled_dot_product_attention

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            parts = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
            found = scaled_dot_product_attention(*parts.unbind())
            x = x + self.out(found.transpose(1, 2).flatten(2))
            return x + self.narrow(gelu(self.wide(self.norm2(x))))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
            self.token = nn.Parameter(torch.randn(1, 1, WIDTH) / 50)
            self.places = nn.Parameter(torch.randn(1, (size // PATCH) ** 2 + 1, WIDTH) / 50)
            self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
            return self.head(self.norm(self.blocks(x))[:, 0])

    torch.manual_seed(0)
    return Net().eval()
