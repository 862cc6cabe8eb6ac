"""The record of a run: one JSON line an event, and the same numbers for TensorBoard."""

import json
from pathlib import Path

from tensorboardX import SummaryWriter

from equijax.data.files import whole_file


class RunLog:
    """Appends to `metrics.jsonl` and `tensorboard/` in the run folder.

    Args:
        folder: of the run.
        from_step: lines of later steps are dropped first: a resumed run writes them again.
    """

    def __init__(self, folder: Path, from_step: int = 0) -> None:
        self.path = folder / "metrics.jsonl"
        kept = [line for line in read_log(self.path) if line["step"] <= from_step] if from_step else []
        with whole_file(self.path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._lines = open(self.path, "a")  # noqa: SIM115 (open for the life of the run)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=from_step or None)

    def write(self, step: int, **values: float) -> None:
        """Record numbers of a step."""
        self._lines.write(json.dumps({"step": step} | values) + "\n")
        self._lines.flush()
        for key, value in values.items():
            self._board.add_scalar(key, value, step)

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        self._board.close()


def read_log(path: Path) -> list[dict]:
    """Return the lines of a metrics file; a last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines
