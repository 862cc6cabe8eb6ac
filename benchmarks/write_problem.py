"""Write the problem that the benchmarks time: python benchmarks/write_problem.py problem.npz --data CONFIGURATION."""

from pathlib import Path
from typing import Annotated

import tyro
from common import write_problem


def main(out: Annotated[Path, tyro.conf.Positional], particles: int = 4096, data: Path | None = None) -> None:
    """Write edges, types and targets of a configuration.

    Args:
        out: npz file to write.
        particles: of a lattice with noise, about.
        data: a configuration in any format equijax reads, in its place.
    """
    print(write_problem(out, particles, data))


if __name__ == "__main__":
    tyro.cli(main)
