"""Hidden places filled in from those around them.

A hidden place is the weighted mean of its neighbours, hidden ones included: a discrete Laplace equation,
whose boundary is what can be seen. The weights are those of Rong, Leemann, Borisov, Kasneci, Kasneci, "A
Consistent and Efficient Evaluation Strategy for Attribution Methods" (2022), section 4: 1/6 and 1/12 of
four and four neighbours.
"""

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Numbers = NDArray[np.float64]

STRAIGHT, DIAGONAL = 2.0, 1.0
"""How much a neighbour counts: along one axis of places, along several."""


def filled_in(planes: Numbers, hidden: NDArray[np.bool_], grid: tuple[int, ...]) -> Numbers:
    """Planes of numbers, a number for each place, with hidden places filled in; where all places of a
    plane are hidden, they get its mean.

    Each distinct set of hidden places is a sparse system, which is factored once, and forgotten before
    the next.

    Args:
        planes: shape (n, places).
        hidden: which places, shape (n, places).
        grid: how many places there are along each axis.
    """
    found = planes.copy()
    alike: dict[bytes, list[int]] = {}
    for row, bits in enumerate(np.packbits(hidden, axis=1)):
        alike.setdefault(bits.tobytes(), []).append(row)
    for rows in alike.values():
        gone = hidden[rows[0]]
        if gone.all():
            found[rows] = planes[rows].mean(axis=1, keepdims=True)
        elif gone.any():
            found[np.array(rows)[:, None], np.flatnonzero(gone)] = solved(planes[rows], gone, grid)
    return found


def solved(planes: Numbers, gone: NDArray[np.bool_], grid: tuple[int, ...]) -> Numbers:
    """The numbers of the hidden places of planes (n, places) that have the same ones, (n, hidden)."""
    from scipy.sparse.linalg import splu  # here: who fills nothing in need not wait for it

    equations = laplacian(grid)[np.flatnonzero(gone)]
    system = equations[:, np.flatnonzero(gone)].tocsc()
    boundary = -(equations[:, np.flatnonzero(~gone)] @ planes[:, ~gone].T)
    # It is symmetric and positive definite: no pivots are to be looked for.
    factors = splu(
        system,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.asarray(factors.solve(boundary).T)


@lru_cache(maxsize=4)
def laplacian(grid: tuple[int, ...]) -> "csr_array":
    """The sum of a place's weights times the place, minus the weighted sum of its neighbours: a sparse
    matrix (places, places)."""
    from scipy.sparse import coo_array, diags_array

    index = np.arange(int(np.prod(grid))).reshape(grid)
    rows, columns, weights = [], [], []
    for step in product((-1, 0, 1), repeat=len(grid)):
        if not any(step):
            continue
        ends = [(max(0, -one), max(0, one), side) for one, side in zip(step, grid, strict=True)]
        here = index[tuple(slice(low, side - high) for low, high, side in ends)]
        there = index[tuple(slice(high, side - low) for low, high, side in ends)]
        rows.append(here.reshape(-1))
        columns.append(there.reshape(-1))
        weights.append(np.full(here.size, STRAIGHT if sum(map(abs, step)) == 1 else DIAGONAL))
    at = np.concatenate(rows), np.concatenate(columns)
    beside = coo_array((np.concatenate(weights), at), shape=(index.size, index.size)).tocsr()
    return (diags_array(beside.sum(axis=1)) - beside).tocsr()
