"""What techniques share that draw coalitions: the bounds of their hyper-parameters, and how many they
draw."""

from backlight import Method
from backlight.errors import HyperParameterError, is_real, is_whole, require
from backlight.explaining.game import Game


def require_sampling(method: Method, least: int, optional: bool = False) -> None:
    """Raise `HyperParameterError` unless samples, maximum_samples, tolerance, floor and seed of a
    technique are in their ranges; samples may be None where they are optional."""
    samples, most = getattr(method, "samples"), getattr(method, "maximum_samples")  # noqa: B009
    tolerance, floor, seed = (getattr(method, name) for name in ("tolerance", "floor", "seed"))
    drawn = is_whole(samples) and samples >= least if samples is not None else optional
    require(drawn, method, "samples", f"at least {least}")
    require(is_whole(most) and most >= least, method, "maximum_samples", f"at least {least}")
    positive = tolerance is None or (is_real(tolerance) and tolerance > 0)
    require(positive, method, "tolerance", "greater than 0, or None")
    require(is_real(floor) and floor >= 0, method, "floor", "at least 0")
    require(is_whole(seed) and seed >= 0, method, "seed", "at least 0")


def regression_samples(method: Method, samples: int | None, game: Game) -> int:
    """How many coalitions a technique draws that fits a number for each feature to them: 1024 and 4
    for each feature, where nothing is said.

    Raises:
        HyperParameterError: too few for so many features.
    """
    least = 4 * game.count if game.count > 3 else 6
    if samples is not None and samples < least:
        raise HyperParameterError(
            f"{type(method).__name__}.samples must be at least {least} for {game.count} features, got "
            f"{samples}; or use fewer features."
        )
    return samples or 4 * game.count + 1024
