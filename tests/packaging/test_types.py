"""What a type checker says of users' code."""

import re
from pathlib import Path

from mypy import api

CODE = Path(__file__).with_name("code_of_users.py")
ROOT = CODE.parents[2]


def test_types_of_users_code():
    said, broken, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(CODE)])
    assert not broken
    found = {
        int(line): kind for line, kind in re.findall(r"\.py:(\d+): error: .*\[([\w-]+)\]", said)
    }
    lines = enumerate(CODE.read_text().splitlines(), start=1)
    expected = {
        number: line.split("# expect: ")[1] for number, line in lines if "# expect: " in line
    }
    assert found == expected, said
    assert len(expected) == 6
