"""The format of `study.json`."""

from typing import Any, TypeAlias

FORMAT = 3
"""Its number: it goes up where a key goes or means something else."""

StudyRecord: TypeAlias = dict[str, Any]
"""What `study.json` holds, or a part of it: see `docs/study.md`. Its texts may come from strangers."""
