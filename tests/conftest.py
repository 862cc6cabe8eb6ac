"""Fixtures that many tests share."""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.data.embedded import embedded_path
from equijax.data.store import Store
from equijax.graph.graph import Graph, build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.nn.kernels.native import library
from equijax.snapshot import Snapshot
from equijax.testing import toy_snapshot

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
LAMMPS = ROOT / "experiments" / "data" / "ka_T0.56_N1000.npz"
"""Isoconfigurational ensembles at T = 0.56 that LAMMPS made."""


def pytest_configure(config: pytest.Config) -> None:
    """Let all workers and the commands they start share compiled programs: compilation is most of what the tests take."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="equijax-compiled-")
        config.add_cleanup(folder.cleanup)
        os.environ |= {"JAX_COMPILATION_CACHE_DIR": folder.name, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2"}


@pytest.fixture(autouse=True, scope="session")
def _exact_products():
    """TF32 and bfloat16 would hide what the tests of equivariance look for."""
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="session")
def liquid() -> Snapshot:
    """A simulated configuration with its inherent structure, energies and propensities."""
    with Store(embedded_path()) as store:
        return store[0]


@pytest.fixture(scope="session")
def toy() -> Snapshot:
    return toy_snapshot(5)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def real_files() -> list[Path]:
    """Real files of the literature, where they lie beside the project."""
    files = sorted((SHARED / "botan" / "T0.44" / "train").glob("*.npz"), key=lambda file: int(file.name.split("_")[2]))
    if not files:
        pytest.skip("the real files do not lie beside this checkout")
    return files


def graph_of(snapshot: Snapshot, cutoff: float = 2.0, dtype: type = np.float32, **features) -> Graph:
    pairs = NeighborSearch(snapshot.box, cutoff).pairs(snapshot.positions)
    return jax.tree.map(jnp.asarray, build_graph(pairs, snapshot.types, cutoff, dtype=dtype, **features))


def fresh(module: nn.Module, *arguments: Any) -> Any:
    """Return random variables, by a compiled program (operation by operation it takes three times as long) with the generator that compiles fastest."""
    return jax.jit(module.init)(jax.random.key(0, impl="rbg"), *arguments)


def needs(kernel: str) -> None:
    """Skip where a kernel cannot be: those in C++ on a machine without a compiler, and only there. On a CPU, CUDA is emulated."""
    if kernel not in ("native", "cuda"):
        return
    if shutil.which("c++") is None:
        pytest.skip("needs a C++ compiler")
    assert library.why_not() is None, library.why_not()
    if kernel == "cuda" and jax.default_backend() == "cpu":
        _emulate_cuda()


@functools.cache
def _emulate_cuda() -> None:
    """Compile the GPU kernels for a CPU and register them in the place of the real ones."""
    source, include = Path(library.__file__).parent, Path(jax.ffi.include_dir())
    paths = [f"-I{source / 'cpp'}", f"-I{source / 'cuda'}", f"-I{Path(__file__).parent / 'nn'}", "-isystem", str(include)]
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "emulated.so"
        command = ["c++", "-x", "c++", "-std=c++17", "-O1", "-shared", "-fPIC", "-DEQUIJAX_TARGET=cuda", *paths, str(source / "cuda" / "library.cu"), "-o", str(built)]
        subprocess.run(command, check=True)
        library.LIBRARIES["cuda"].register(built, "cpu")
