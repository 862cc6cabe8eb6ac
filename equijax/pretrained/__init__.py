"""Trained networks that ship with the package: used by name wherever the folder of a run is expected."""

from importlib import resources
from pathlib import Path

FOLDER = Path(str(resources.files(__name__)))


def names() -> tuple[str, ...]:
    """Return the names of the networks that ship with this version."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/run.json")))


def run_folder(run: str | Path) -> Path:
    """Return the folder of a run: the path itself if there is one, otherwise that of the shipped network of this name."""
    path = Path(run)
    return FOLDER / path if not path.exists() and str(run) in names() else path
