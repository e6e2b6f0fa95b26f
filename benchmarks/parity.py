"""How far three frameworks are apart, for every technique, on two nets, in float64 and float32; and for
techniques with rules, on small nets of every style, in float32.

Printed: largest difference over largest value. In float32 a deep net's kinks (ReLU6, max-pool) flip for
values within rounding of them, and each flip changes a gradient by a finite amount.
"""

from tests.parity import nets
from tests.parity.measure import FRAMEWORKS, NETS, explained, spread
from tests.parity.test_parity import technique
from tests.parity.test_rules import LEFT_OUT, TECHNIQUES
from tests.parity.test_rules import explained as explained_small

from backlight_methods import METHODS


def main() -> None:
    print(f"{'technique':24}" + "".join(f"{net} {dtype:10}" for net in NETS for dtype in DTYPES))
    for name in METHODS:
        row = []
        for net in NETS:
            count = 8 if net == "fashion" else 2
            for dtype in DTYPES:
                method = technique(name, net)
                values = [explained(one, net, dtype, method, count) for one in FRAMEWORKS]
                row.append(spread(values))
        print(f"{name:24}" + "".join(f"{value:<20.1e}" for value in row), flush=True)
    print("\nfloat32, small nets")
    print(f"{'technique':24}" + "".join(f"{net:20}" for net in nets.NETS))
    for name, technique_of in TECHNIQUES.items():
        row = []
        for net in nets.NETS:
            if (name, net) in LEFT_OUT:
                row.append(float("nan"))
                continue
            values = [explained_small(one, net, technique_of, "float32") for one in FRAMEWORKS]
            row.append(spread(values))
        print(f"{name:24}" + "".join(f"{value:<20.1e}" for value in row), flush=True)


DTYPES = ("float64", "float32")

if __name__ == "__main__":
    main()
