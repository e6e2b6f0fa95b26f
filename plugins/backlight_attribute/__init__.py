"""A whole data set explained, block by block: `backlight attribute`, `backlight.attribute_dataset`."""

from backlight_attribute.results import Attributions, Status
from backlight_attribute.run import attribute_dataset

__all__ = ["Attributions", "Status", "attribute_dataset"]
