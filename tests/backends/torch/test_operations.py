"""PyTorch's operations, one by one: what each is to rules, and DeepLIFT's sums over it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch.nn import functional

import backlight
from backlight import BacklightWarning, Output
from backlight.rules.operations import Kind
from backlight_methods import LRP, DeepLIFT

Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

ADD, SUM, SHIFT, SCALE, MUL, MATMUL = (
    Kind.ADD,
    Kind.SUM,
    Kind.SHIFT,
    Kind.SCALE,
    Kind.MUL,
    Kind.MATMUL,
)
POW, SQRT, ABS, TANH, DENSE, SINE = (
    Kind.POW,
    Kind.SQRT,
    Kind.ABS,
    Kind.TANH,
    Kind.DENSE,
    Kind.ELEMENTWISE,
)


def numbers(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


C, W, V = numbers(1, 4), numbers(4, 4, seed=2), numbers(3, 4, 4, seed=3)
OUTER = numbers(1, 64, seed=4)
PLACES = torch.tensor([0, 2, 1, 1])
WINDOW = torch.hann_window(4, dtype=torch.float64)


def filtered(x: torch.Tensor) -> torch.Tensor:
    spectrum = torch.stft(x.repeat(1, 3), 4, 2, window=WINDOW, return_complex=True)
    return torch.istft(spectrum * C[0, 0], 4, 2, window=WINDOW)


def resized(x: torch.Tensor, **options: Any) -> torch.Tensor:
    return functional.interpolate(x.reshape(1, 1, 2, 2), scale_factor=2, **options)


def z(x: torch.Tensor) -> torch.Tensor:
    return torch.complex(x, x.sin())


LINEAR: dict[str, tuple[list[Kind], Function]] = {
    "cat": ([TANH], lambda x: torch.cat([x, x.tanh()], 1)),
    "stack": ([TANH], lambda x: torch.stack([x, x.tanh()])),
    "block_diag": ([TANH], lambda x: torch.block_diag(x, x.tanh())),
    "select_scatter": ([TANH], lambda x: x.select_scatter(x[:, 0].tanh(), 1, 2)),
    "index_put": ([TANH, ADD], lambda x: x[0].index_put((PLACES,), x[0].tanh(), accumulate=True)),
    "put": ([TANH, ADD], lambda x: x.put(PLACES, x[0].tanh(), accumulate=True)),
    "roll": ([], lambda x: x.roll(1, 1)),
    "flip": ([], lambda x: x.flip(1)),
    "view_copy": ([], lambda x: torch.view_copy(x, (2, 2))),
    "diag_embed": ([], torch.diag_embed),
    "unfold": ([], lambda x: x.unfold(1, 2, 1)),
    "pixel_shuffle": ([], lambda x: functional.pixel_shuffle(x.reshape(1, 4, 1, 1), 2)),
    "tril": ([SCALE], lambda x: (x[0, :, None] * W).tril()),
    "trace": ([SCALE, SUM], lambda x: torch.trace(x[0, :, None] * W)[None]),
    "cumsum": ([SUM], lambda x: x.cumsum(1)),
    "fold": ([SUM], lambda x: functional.fold(x.reshape(1, 2, 2), (2, 2), (1, 2))),
    "nearest": ([SUM], lambda x: resized(x, mode="nearest")),
    "bilinear": ([SUM], lambda x: resized(x, mode="bilinear")),
    "bicubic": ([SUM], lambda x: resized(x, mode="bicubic")),
    "antialiased": ([SUM], lambda x: resized(x, mode="bilinear", antialias=True)),
    "affine_grid": (
        [SUM],
        lambda x: functional.affine_grid(
            x.repeat(1, 2)[:, :6].reshape(1, 2, 3), [1, 1, 2, 2], align_corners=False
        ),
    ),
    "embedding_bag": (
        [SUM],
        lambda x: functional.embedding_bag(PLACES[None], W, per_sample_weights=x, mode="sum"),
    ),
    "index_add": ([TANH, ADD], lambda x: x.index_add(1, PLACES, x.tanh(), alpha=0.5)),
    "index_add to a constant": ([TANH, SUM], lambda x: C.index_add(1, PLACES, x.tanh())),
    "index_add of a constant": ([SHIFT], lambda x: x.index_add(1, PLACES, C)),
    "scatter_add": ([TANH, ADD], lambda x: x.scatter_add(1, PLACES[None], x.tanh())),
    "scatter_reduce": (
        [TANH, ADD],
        lambda x: x.scatter_reduce(1, PLACES[None], x.tanh(), "mean"),
    ),
    "lerp": ([TANH, ADD, SCALE, ADD], lambda x: torch.lerp(x, x.tanh(), 0.3)),
    "lerp from a constant": ([SHIFT, SCALE, SHIFT], lambda x: torch.lerp(C, x, 0.3)),
    "addcmul": ([TANH, MUL, SCALE, ADD], lambda x: torch.addcmul(x, x.tanh(), x, value=0.3)),
    "addcmul of constants": ([SHIFT], lambda x: torch.addcmul(x, C, C)),
    "addcdiv": ([TANH, Kind.DIV, ADD], lambda x: torch.addcdiv(x, x.tanh(), x)),
    "lerp by a value": ([TANH, ADD, MUL, ADD], lambda x: torch.lerp(x, x.tanh(), x)),
    "addmm": (
        [TANH, SCALE, DENSE, SCALE, ADD],
        lambda x: torch.addmm(x, x.tanh(), W, beta=0.5, alpha=2),
    ),
    "addmm of constants": ([SHIFT], lambda x: torch.addmm(x, C, W)),
    "baddbmm": (
        [TANH, SCALE, MATMUL, ADD],
        lambda x: torch.baddbmm(x[None], x.tanh()[None], x * W[None]),
    ),
    "addmv": ([TANH, DENSE, ADD], lambda x: torch.addmv(x[0], W, x[0].tanh())),
    "addbmm": (
        [SCALE, DENSE, SUM, ADD],
        lambda x: torch.addbmm(x, V[:, :1], x[0, :, None] * V),
    ),
    "addr": ([MUL, ADD], lambda x: torch.addr(x, x[0], x[0])),
    "a convolution's bias": (
        [TANH, Kind.CONVOLUTION, ADD],
        lambda x: functional.conv1d(x[:, None], W[:, None, :2], x[0].tanh()),
    ),
    "a convolution's weight": (
        [TANH, MATMUL],
        lambda x: functional.conv1d(x[:, None], x.tanh().reshape(2, 1, 2)),
    ),
    "bilinear layer": ([TANH, SCALE, MUL, SUM], lambda x: functional.bilinear(x, x.tanh(), V)),
    "cross": ([TANH, MUL, MUL, ADD], lambda x: torch.linalg.cross(x[:, :3], x[:, 1:].tanh())),
    "cross with a constant": (
        [SCALE, SCALE, ADD],
        lambda x: torch.linalg.cross(x[:, :3], C[:, :3]),
    ),
    "kron": ([TANH, MUL], lambda x: torch.kron(x, x.tanh())),
    "einsum": (
        [TANH, DENSE, MATMUL],
        lambda x: torch.einsum("bi,bj,ijk", x, x.tanh(), V.permute(1, 2, 0)),
    ),
    "tensordot": ([DENSE], lambda x: torch.tensordot(x, W, 1)),
    "cdist": ([SHIFT, POW, SUM, SQRT], lambda x: torch.cdist(x, W)),
    "cdist of order 1": ([SHIFT, ABS, SUM], lambda x: torch.cdist(x, W, p=1)),
    "dist": ([SHIFT, POW, SUM, SQRT], lambda x: torch.dist(x, C)[None]),
    "pairwise distance": (
        [SHIFT, SHIFT, POW, SUM, SQRT],
        lambda x: functional.pairwise_distance(x, C),
    ),
    "norm of order 3": (
        [ABS, POW, SUM, POW],
        lambda x: torch.linalg.vector_norm(x, 3, dim=1),
    ),
    "largest": ([ABS, Kind.MAX], lambda x: torch.linalg.vector_norm(x, torch.inf, dim=1)),
    "hypot": ([SINE, POW, POW, ADD, SQRT], lambda x: torch.hypot(x, x.sin())),
    "logaddexp": ([SINE, Kind.LOGSUMEXP], lambda x: torch.logaddexp(x, x.sin())),
    "view_as_real": ([SUM], lambda x: torch.view_as_real(torch.fft.rfft(x))),
    "rfft": ([SUM, POW, SUM, SQRT], lambda x: torch.fft.rfft(x).abs()),
    "irfft": ([SUM, SUM, SUM], lambda x: torch.fft.irfft(torch.fft.rfft(x) * W[0, :3], n=4)),
    "istft": ([SUM, SUM, SUM], lambda x: filtered(x)),
    "convolution by fft": (
        [SUM, TANH, SUM, MUL, SUM],
        lambda x: torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(x.tanh()), n=4),
    ),
    "complex product": ([SINE, SINE, MATMUL, SCALE], lambda x: (z(x) @ z(x).mT).conj().imag * 0.5),
    "complex matrix": (
        [SINE, SUM, POW, SUM, SQRT],
        lambda x: (z(x) @ torch.complex(W, W.mT)).abs(),
    ),
    "complex quotient": (
        [SINE, Kind.EXP, MUL, POW, SUM, POW, MUL],
        lambda x: (z(x) / torch.complex(x.exp(), x)).real,
    ),
    "complex phase": (
        [SINE, SINE, POW, SUM, SQRT, POW, MUL],
        lambda x: (z(x) / z(x).abs()).imag,
    ),
    "complex reciprocal": ([SINE, POW, SUM, POW, MUL, SUM], lambda x: (1 / z(x)).real),
    "complex square": ([SINE, MUL], lambda x: (z(x) ** 2).imag),
    "polar": (
        [Kind.EXP, SINE, MUL, SINE, MUL],
        lambda x: torch.polar(x.exp(), x).real,
    ),
}


def scored(function: Function) -> Function:
    """A net of one output that no zero or equal weight makes too easy."""

    def net(x: torch.Tensor) -> torch.Tensor:
        y = function(torch.sin(x)).reshape(1, -1)
        return (y * OUTER[:, : y.shape[1]]).sum(1)

    return net


@pytest.mark.parametrize("name", LINEAR)
def test_an_operation_is_known_and_complete(name: str) -> None:
    kinds, function = LINEAR[name]
    net, x, baseline = scored(function), numbers(1, 4, seed=5), 0.3 + 0.1 * numbers(1, 4, seed=6)
    found = DeepLIFT(baseline=baseline)(net, x)  # any warning is an error
    assert found.gap.max() < 1e-12
    if Kind.LOGSUMEXP not in kinds:  # which LRP has no rule for
        LRP()(net, x)
    model = backlight.wrap(net, framework="torch")
    score = Output().bind(model.outputs(x), 1)
    operations = model.operations(x, score=score, rules=DeepLIFT().rules)
    between = [one.kind for one in operations][1:-2]
    if name == "istft":  # with windows before and after
        between = [kind for kind in between if kind is not SCALE]
        kinds = [*kinds, SUM]
    assert between == kinds


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
def test_products_of_groups_of_rows_are_linear() -> None:
    """As experts have them; there is none in float64."""
    ends, weight = torch.tensor([3, 6], dtype=torch.int32), numbers(2, 8, 4, seed=2).float()

    def net(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.nn.functional.grouped_mm(x, weight, offs=ends)).sum(1)

    x = numbers(6, 8).float()
    with pytest.warns(BacklightWarning, match="look at each other, at aten._grouped_mm"):
        found = DeepLIFT(baseline=x.flip(0))(net, x)  # a row's weights are those of its place
    z = torch.cat([x[:3] @ weight[0], x[3:] @ weight[1]])
    start = torch.cat([x.flip(0)[:3] @ weight[0], x.flip(0)[3:] @ weight[1]])
    slope = (z.relu() - start.relu()) / (z - start)
    back = torch.cat([slope[:3] @ weight[0].T, slope[3:] @ weight[1].T])
    torch.testing.assert_close(found.values, back * (x - x.flip(0)), rtol=1e-4, atol=1e-5)
    for composite in ("epsilon", "epsilon_plus"):
        with pytest.warns(BacklightWarning, match="look at each other"):
            LRP(composite=composite)(net, x)  # type: ignore[arg-type]
