"""docs/captum.md is true: each feature of Captum's, its call and ours, as far apart as it says."""

import pytest
from benchmarks.captum_features import Row, off_by, rows

ROUNDING = 1e-6
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(hook|require|multiple inputs).*",  # Captum's
    "ignore:.*standard error.*",
)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_feature_is_as_far_off_as_the_page_says(row: Row) -> None:
    for found, said in zip(off_by(row), (row.ours, row.theirs), strict=True):
        assert found <= said
        assert said <= ROUNDING or found > said / 3
