"""The compiled library: where it is, what it was built for, and its registration with XLA."""

import ctypes
import functools
import importlib.util
from pathlib import Path

import jax

from equijax.errors import ConfigError

FORWARD, BACKWARD, GEOMETRY = "equijax_forward", "equijax_backward", "equijax_geometry"


@functools.cache
def path() -> Path | None:
    """Return where the library lies, or None if the package was installed without a compiler."""
    found = importlib.util.find_spec("equijax.nn.kernels.native._library")
    return Path(found.origin) if found is not None and found.origin is not None else None


@functools.cache
def load() -> ctypes.CDLL:
    """Load the library and register its functions with XLA, once.

    Raises:
        ConfigError: there is no library, or this jaxlib does not accept it.
    """
    there = path()
    if there is None:
        raise ConfigError("the native kernel was not built: no C++ compiler was found when equijax was installed. Install one (g++ or clang) and reinstall, or use xla.")
    try:
        library = ctypes.CDLL(str(there))
        for name in (FORWARD, BACKWARD, GEOMETRY):
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
            jax.ffi.register_ffi_target_as_batch_partitionable(name)
    except Exception as error:
        raise ConfigError(f"the native kernel at {there} does not load with jaxlib {jax.lib.__version__}: {error}. Reinstall equijax, or use xla.") from error
    library.equijax_instruction_set.restype = ctypes.c_char_p
    return library


def instruction_set() -> str:
    """Return which of its instruction sets the library uses on this machine: avx512, avx2 or baseline."""
    return load().equijax_instruction_set().decode()


def why_not() -> str | None:
    """Return why the library cannot be used here, or None if it can."""
    try:
        load()
    except ConfigError as error:
        return str(error)
    return None
