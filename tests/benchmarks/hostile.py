"""What a stranger's bundle can cost before it is refused: the worst of the hostile ones."""

import tempfile
from pathlib import Path

from tests.benchmarks.rows import Row
from tests.hostile import HOSTILE, MEGABYTES, SECONDS, opened

ROUNDS = 3


def rows() -> list[Row]:
    """The slowest and the largest refusal, each opened three times."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [make(Path(folder) / str(i)) for i, make in enumerate(HOSTILE.values())]
        rounds = [opened(paths) for _ in range(ROUNDS)]
    assert all(each["refused"] for told in rounds for each in told)

    def worst(cost: str) -> tuple[float, str]:
        return max((told[i][cost], name) for told in rounds for i, name in enumerate(HOSTILE))

    seconds, slowest = worst("seconds")
    megabytes, largest = worst("megabytes")
    count = f"worst of {len(HOSTILE)}"
    return [
        Row(name="hostile bundle: refused in", value=seconds, unit="s", limit=SECONDS,
            note=f"{count}: {slowest}"),
        Row(name="hostile bundle: memory", value=megabytes, unit="MB", limit=MEGABYTES,
            note=f"{count}: {largest}; the whole process, imports included"),
    ]  # fmt: skip
