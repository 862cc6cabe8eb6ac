"""The compiled libraries: where they are, and their registration with XLA."""

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import NamedTuple

import jax

from equijax.errors import ConfigError


class _Build(NamedTuple):
    kernel: str
    module: str
    compiler: str
    platform: str


_BUILDS = {"cpu": _Build("native", "_library", "C++ compiler (GCC 12 or Clang)", "cpu"), "cuda": _Build("cuda", "_cuda", "nvcc (CUDA 12)", "CUDA")}
TARGETS = {
    "cpu": {name: f"equijax_{name}" for name in ("forward", "backward", "geometry")},
    "cuda": {name: f"equijax_cuda_{name}" for name in ("forward", "backward", "table", "geometry")},
}
"""What XLA calls the functions of each library."""


@functools.cache
def path(device: str = "cpu") -> Path | None:
    """Return where the library for a device lies, or None if the package was installed without its compiler."""
    found = importlib.util.find_spec(f"equijax.nn.kernels.native.{_BUILDS[device].module}")
    return Path(found.origin) if found is not None and found.origin is not None else None


@functools.cache
def load(device: str = "cpu") -> ctypes.CDLL:
    """Load the library for a device, "cpu" or "cuda", and register its functions with XLA, once.

    Raises:
        ConfigError: there is no library, or this jaxlib does not accept it.
    """
    build, there = _BUILDS[device], path(device)
    if there is None:
        raise ConfigError(
            f"the {build.kernel} kernel was not built: no {build.compiler} was found when equijax was installed, or it was too old. "
            "Install one and reinstall, or use xla."
        )
    try:
        return register(there, device, build.platform)
    except Exception as error:
        raise ConfigError(f"the kernel at {there} does not load with jaxlib {jax.lib.__version__}: {error}. Reinstall equijax, or use xla.") from error


def register(file: Path, device: str, platform: str) -> ctypes.CDLL:
    """Load a library and register its functions for one of XLA's platforms."""
    library = ctypes.CDLL(str(file))
    for target in TARGETS[device].values():
        jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, target)), platform=platform)
        jax.ffi.register_ffi_target_as_batch_partitionable(target)
    return library


def instruction_set() -> str:
    """Return which of its instruction sets the CPU library uses on this machine: avx512, avx2 or baseline."""
    name = load().equijax_instruction_set
    name.restype = ctypes.c_char_p
    return name().decode()


def why_not(device: str = "cpu") -> str | None:
    """Return why the library for a device cannot be used here, or None if it can."""
    try:
        load(device)
    except ConfigError as error:
        return str(error)
    return None
