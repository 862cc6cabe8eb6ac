"""extxyz through ASE: types as a column `type` of 0 and 1, or as species: H and He, A and B, or 1 and 2."""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

from equijax.data.files import whole_file
from equijax.errors import DataFormatError, EquijaxError
from equijax.snapshot import Snapshot

_PER_PARTICLE = ("inherent_positions", "inherent_energy", "cage_positions", "propensity", "bond_breaking")
_PER_TIME = ("propensity", "bond_breaking")

_SPECIES = re.compile(r"(?<![A-Za-z_])species:[SI]:1(?!\d)")
_PLAIN = re.compile(r"^([ \t]*\d+[ \t]*\n)(?![^\n]*Properties=)([^\n]*)$", re.MULTILINE)
"""A number of particles, and a comment that does not name the columns: those of plain xyz files."""
_NAMES = {"A": 0, "B": 1, "1": 0, "2": 1, "H": 0, "He": 1}


def read_extxyz(path: Path) -> Iterator[Snapshot]:
    """Yield the frames of an extxyz file.

    Raises:
        DataFormatError: ASE cannot read it, a frame has no periodic orthorhombic box, or its types are not understood.
    """
    try:
        # Species need not be chemical elements, which is what ASE takes a column of that name for.
        text = _PLAIN.sub(r"\1\2 Properties=kind:S:1:pos:R:3", _SPECIES.sub("kind:S:1", path.read_text()))
        if text.strip() and not text.endswith("\n"):
            raise DataFormatError(f"{path}: the last line has no end, its last number may be cut off; if it is whole, end it with a new line.")
        file = io.StringIO(text)
        frames = ase.io.iread(file, index=":", format="extxyz")
        for number, atoms in enumerate(frames):
            yield _snapshot(atoms, path, number)
        # ASE stops at an empty line, as if it were the end.
        end = file.tell()
        if file.read().strip():
            line = text.count("\n", 0, end) + 1
            raise DataFormatError(f"{path}: line {line} is empty and others follow, which are not read; remove empty lines between frames.")
    except EquijaxError:
        raise
    except FileNotFoundError:
        raise DataFormatError(f"{path}: there is no such file.") from None
    except Exception as error:  # ASE's readers raise whatever their parsing meets
        raise DataFormatError(f"{path}: ASE cannot read it ({type(error).__name__}: {error}).") from error


def _snapshot(atoms: ase.Atoms, path: Path, number: int) -> Snapshot:
    where = f"{path}, frame {number}"
    if isinstance(atoms, list):
        raise DataFormatError(f"{where}: expected one configuration a frame.")
    cell = np.asarray(atoms.cell)
    if not np.allclose(cell, np.diag(np.diag(cell)), atol=1e-8):
        raise DataFormatError(f"{where}: the cell {cell.tolist()} is not orthorhombic; only boxes with right angles are supported.")
    if np.any(np.diag(cell) <= 0):
        raise DataFormatError(f'{where}: no periodic box; write Lattice="L 0 0 0 L 0 0 0 L" in the comment line.')
    if not all(atoms.pbc):
        raise DataFormatError(f"{where}: pbc is {atoms.pbc.tolist()}; only boxes that are periodic in all directions are supported.")
    info = atoms.info
    halves = [atoms.arrays.get(f"propensity_half_{k}") for k in (1, 2)]
    fields: dict = {key: atoms.arrays[key] for key in _PER_PARTICLE if key in atoms.arrays}
    times = np.atleast_1d(np.asarray(info["times"], float)) if "times" in info else None
    if times is not None:
        for key in fields.keys() & {*_PER_TIME}:
            fields[key] = fields[key].reshape(len(atoms), -1)
        if halves[0] is not None and halves[1] is not None:
            fields["propensity_halves"] = np.stack([half.reshape(len(atoms), -1) for half in halves])  # type: ignore[union-attr]
        if "trajectories" in info:
            fields["trajectories"] = info["trajectories"]
    else:
        fields = {key: values for key, values in fields.items() if key not in _PER_TIME}
    return Snapshot(
        positions=atoms.positions,
        types=_types(atoms, where),
        box=np.diag(cell),
        name=str(info.get("name", f"{path.absolute().parent.name}/{path.stem}/{number}")),
        temperature=float(info["temperature"]) if "temperature" in info else None,
        times=times,
        dynamics=info.get("dynamics"),
        **fields,
    )


def _types(atoms: ase.Atoms, where: str) -> np.ndarray:
    found = next((atoms.arrays[column] for column in ("type", "kind") if column in atoms.arrays), atoms.numbers)
    values = np.unique(found)
    if found.dtype.kind in "OSU":
        if {*values} <= _NAMES.keys():
            return np.array([_NAMES[name] for name in found], np.int32)
    elif "type" in atoms.arrays and np.isin(values, (0, 1)).all():
        # Ones alone may count from one, as those of LAMMPS do: then the species are A.
        species = np.unique(atoms.arrays.get("kind", atoms.numbers))
        from_one = values.tolist() == [1] and all(_NAMES.get(str(name)) == 0 for name in species)
        return found.astype(np.int32) - from_one
    # Numbers of elements count from one, also where only one is there; so does a column that holds a two.
    elif np.isin(values, (1, 2)).all():
        return found.astype(np.int32) - 1
    raise DataFormatError(
        f"{where}: particle types {values[:6].tolist()} are not understood; use a column type:I:1 with 0 = A and 1 = B, or species named A and B, 1 and 2, or H and He."
    )


def write_extxyz(path: Path, snapshots: Iterable[Snapshot], columns: Callable[[Snapshot], Mapping[str, np.ndarray]] = lambda _: {}) -> int:
    """Write configurations as extxyz, one frame after the other, whole or not at all; return how many there were.

    Args:
        path: of the file.
        snapshots: one a frame.
        columns: gives extra per-particle columns by name, (n,) or (n, m).

    Raises:
        EquijaxError: the file cannot be written; that is found before the first configuration is asked for.
    """
    count = 0
    with whole_file(path) as temporary, temporary.open("w") as file:
        for snapshot in snapshots:
            ase.io.write(file, _atoms(snapshot, columns(snapshot)), format="extxyz")
            count += 1
    return count


def _atoms(snapshot: Snapshot, columns: Mapping[str, np.ndarray]) -> ase.Atoms:
    atoms = ase.Atoms(numbers=snapshot.types + 1, positions=snapshot.positions, cell=snapshot.box, pbc=True)
    atoms.new_array("type", snapshot.types)
    for key in _PER_PARTICLE:
        if getattr(snapshot, key) is not None:
            atoms.new_array(key, getattr(snapshot, key))
    if snapshot.propensity_halves is not None:
        for k, half in enumerate(snapshot.propensity_halves, 1):
            atoms.new_array(f"propensity_half_{k}", half)
    atoms.info["name"] = _written(snapshot.name)
    for key in ("temperature", "times", "trajectories", "dynamics"):
        if getattr(snapshot, key) is not None:
            atoms.info[key] = getattr(snapshot, key)
    for key, values in columns.items():
        atoms.new_array(key, np.asarray(values))
    return atoms


def _written(name: str) -> str:
    """Return the name in a form that is read as it was: ASE takes some for numbers, and drops backslashes; what begins with _JSON it reads as such."""
    quoted = "_JSON " + json.dumps(name, ensure_ascii=False)
    return next(form for form in (name, quoted, quoted.replace("\\", "\\\\")) if _survives(form, name))


def _survives(form: str, name: str) -> bool:
    try:
        read = key_val_str_to_dict(key_val_dict_to_str({"name": form})).get("name")
    except ValueError:  # what is no JSON
        return False
    return isinstance(read, str) and read == name
