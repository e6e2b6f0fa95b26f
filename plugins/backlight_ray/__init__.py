"""Blocks by Ray, on this machine or a cluster: `Ray(workers=8, address="auto", gpus_per_worker=1)`."""

from backlight_ray.engine import Ray

__all__ = ["Ray"]
