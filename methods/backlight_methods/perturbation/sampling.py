"""What techniques share that draw coalitions: the bounds of their hyper-parameters."""

from backlight import Method
from backlight.errors import is_real, is_whole, require


def require_sampling(method: Method, least: int) -> None:
    """Raise `HyperParameterError` unless samples, maximum_samples, tolerance, floor and seed of a technique
    are in their ranges.

    Args:
        least: samples at least; None, where a technique takes it for samples, is left to it.
    """
    samples, most = getattr(method, "samples"), getattr(method, "maximum_samples")  # noqa: B009
    tolerance, floor, seed = (getattr(method, name) for name in ("tolerance", "floor", "seed"))
    drawn = samples is None or (is_whole(samples) and samples >= least)
    require(drawn, method, "samples", f"at least {least}")
    require(is_whole(most) and most >= least, method, "maximum_samples", f"at least {least}")
    positive = tolerance is None or (is_real(tolerance) and tolerance > 0)
    require(positive, method, "tolerance", "greater than 0, or None")
    require(is_real(floor) and floor >= 0, method, "floor", "at least 0")
    require(is_whole(seed) and seed >= 0, method, "seed", "at least 0")
