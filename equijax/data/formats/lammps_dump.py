"""LAMMPS text dumps: whole frames, periodic boxes, types from the column `type`.

ASE reads a frame with rows missing as it stands, takes species from columns `element` and `mass` before `type`, and periodic boundaries from no one; a
dump of a simulation that still runs, or was killed, ends anywhere.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from equijax.errors import DataFormatError
from equijax.snapshot import Snapshot

_COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
"""Wrapped or unwrapped; those with an s are in units of the box."""


def read_dump(path: Path) -> Iterator[Snapshot]:
    """Yield the frames of a LAMMPS text dump, particles in the order of their ids, positions from the corner of the box.

    Raises:
        DataFormatError: a frame is cut off or damaged, its box is not periodic with right angles, or it has no columns for positions and types.
    """
    try:
        with path.open() as file:
            for number in itertools.count():
                frame = _frame(file, f"{path}, frame {number}", f"{path.absolute().parent.name}/{path.stem}/{number}")
                if frame is None:
                    return
                yield frame
    except FileNotFoundError:
        raise DataFormatError(f"{path}: there is no such file.") from None
    except UnicodeDecodeError:
        raise DataFormatError(f"{path}: is not a text file; of LAMMPS, dumps of style custom or atom are read, not binary ones.") from None


def _frame(file: TextIO, where: str, name: str) -> Snapshot | None:
    count, box, first = None, None, True
    while True:
        line = file.readline()
        if not line and first:
            return None
        if first and not line.strip():
            continue
        if not line.startswith("ITEM: "):
            found = f"{where}: expected a line that begins with ITEM:, found {line.strip()[:60]!r}; the dump is damaged."
            raise DataFormatError(found if line else _cut(where))
        first, item = False, line[len("ITEM: ") :].split()
        if item[:3] == ["NUMBER", "OF", "ATOMS"]:
            count = _count(_numbers(file.readline(), where)[0], where)
        elif item[:2] == ["BOX", "BOUNDS"]:
            box = _box(item[2:], [_numbers(file.readline(), where) for _ in range(3)], where)
        elif item[:1] == ["ATOMS"]:
            if count is None or box is None:
                raise DataFormatError(f"{where}: has no {'NUMBER OF ATOMS' if count is None else 'BOX BOUNDS'} before its ATOMS; the dump is cut off or damaged.")
            return _snapshot(item[1:], _rows(file, count, where), *box, where, name)
        else:
            file.readline()


def _cut(where: str) -> str:
    return f"{where}: the dump is cut off here; if its simulation still runs, wait, or leave the last frame out."


def _numbers(line: str, where: str) -> list[float]:
    try:
        found = [float(word) for word in line.split()]
    except ValueError:
        raise DataFormatError(f"{where}: {line.strip()[:60]!r} are not numbers; the dump is damaged.") from None
    if not found or not line.endswith("\n"):
        raise DataFormatError(_cut(where))
    return found


def _count(number: float, where: str) -> int:
    if not (number >= 0 and number.is_integer()):
        raise DataFormatError(f"{where}: its NUMBER OF ATOMS is {number:g}; the dump is damaged.")
    return int(number)


def _box(labels: list[str], bounds: list[list[float]], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower corner and the sides."""
    periodic = [label for label in labels if label not in {"xy", "xz", "yz"}]
    if labels[:2] == ["abc", "origin"] or any(any(row[2:]) for row in bounds):
        raise DataFormatError(f"{where}: the box {bounds} is not orthorhombic; only boxes with right angles are supported.")
    # Older programs leave the labels out.
    if any(label != "pp" for label in periodic):
        raise DataFormatError(f"{where}: the boundaries are {' '.join(periodic)}; only boxes that are periodic in all directions (pp pp pp) are supported.")
    if any(len(row) < 2 for row in bounds):
        raise DataFormatError(f"{where}: the box {bounds} has no lower and upper bounds; the dump is damaged.")
    corner, end = np.array([row[:2] for row in bounds]).T
    return corner, end - corner


def _rows(file: TextIO, count: int, where: str) -> list[str]:
    rows = list(itertools.islice(file, count))
    if len(rows) < count:
        raise DataFormatError(f"{where}: holds {len(rows)} of its {count} particles: the dump is cut off; if its simulation still runs, wait, or leave this frame out.")
    if rows and not rows[-1].endswith("\n"):
        raise DataFormatError(f"{where}: the last line has no end, its last number may be cut off; if it is whole, end it with a new line.")
    return rows


def _snapshot(columns: list[str], rows: list[str], corner: np.ndarray, box: np.ndarray, where: str, name: str) -> Snapshot:
    chosen = next((names for names in _COORDINATES if {*names} <= {*columns}), None)
    if chosen is None or "type" not in columns:
        raise DataFormatError(f"{where}: has the columns {' '.join(columns)}; dump at least: id type x y z.")
    ordered = "id" in columns
    wanted = [*(["id"] if ordered else []), "type", *chosen]
    try:
        table = np.loadtxt(rows, usecols=[columns.index(column) for column in wanted], ndmin=2, comments=None)
    except (ValueError, IndexError) as error:
        raise DataFormatError(f"{where}: not every line has numbers for {' '.join(wanted)} ({error}); the dump is damaged.") from None
    # loadtxt passes over empty lines.
    if len(table) < len(rows):
        raise DataFormatError(f"{where}: {len(rows) - len(table)} of the {len(rows)} lines of its particles are empty; the dump is damaged.")
    if ordered:
        ids = table[:, 0]
        if not np.isfinite(ids).all():
            raise DataFormatError(f"{where}: {(~np.isfinite(ids)).sum()} particles have ids that are not finite; the dump is damaged.")
        if len(np.unique(ids)) < len(ids):
            raise DataFormatError(f"{where}: {len(ids) - len(np.unique(ids))} particles have the id of another; the dump is damaged.")
        table = table[np.argsort(ids), 1:]
    kinds = np.unique(table[:, 0])
    if not np.isin(kinds, (1, 2)).all():
        raise DataFormatError(f"{where}: particle types {kinds[:6].tolist()} are not understood; expected 1 = A and 2 = B.")
    positions = table[:, 1:] * box if chosen[0].startswith("xs") else table[:, 1:] - corner
    return Snapshot(positions, table[:, 0].astype(np.int32) - 1, box, name=name)
