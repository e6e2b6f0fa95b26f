"""A run that is there to be ended: `python -m tests.engines.run ENGINE FOLDER [OPTION=VALUE ...]`.

SIGTERM does what Ctrl-C does, as for the command `backlight`.
"""

import signal
import sys
from pathlib import Path

from backlight.termination import terminable
from backlight_engines import make_engine
from tests.engines.works import Writing

SLOW = 6


def main() -> None:
    name, folder, *given = sys.argv[1:]
    said = dict(one.split("=", 1) for one in given)
    options = {key: int(value) if value.isdigit() else value for key, value in said.items()}
    work = Writing(Path(folder), slow=SLOW)
    for receipt in make_engine(name, options).run(work, range(10**6)):
        print(receipt.block, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with terminable():
        try:
            main()
        except KeyboardInterrupt:
            sys.exit(130)
