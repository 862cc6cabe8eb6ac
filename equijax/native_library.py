"""Compiled libraries of the package: where they are, and their registration with XLA."""

import ctypes
import functools
import importlib.util
from pathlib import Path

import jax

from equijax.errors import ConfigError


class NativeLibrary:
    """A library that the package's build made, if it found a compiler.

    Args:
        module: name of the extension, for instance "equijax.graph._tables".
        about: what it is, for messages.
        compiler: what its build needs.
        platform: XLA's name of the platform it is for.
        targets: functions in it that XLA calls.
        otherwise: what to use without it, for messages.
        batched: whether leading axes of all arrays are batches, over which XLA may split a call.
    """

    def __init__(self, module: str, about: str, compiler: str, platform: str, targets: tuple[str, ...], otherwise: str, batched: bool = True) -> None:
        self.module, self.about, self.compiler, self.platform, self.targets, self.otherwise = module, about, compiler, platform, targets, otherwise
        self.batched = batched
        self.load = functools.cache(self._load)

    def path(self) -> Path | None:
        """Return where the library lies, or None if the package was installed without its compiler."""
        found = importlib.util.find_spec(self.module)
        return Path(found.origin) if found is not None and found.origin is not None else None

    def _load(self) -> ctypes.CDLL:
        """Load the library and register its functions with XLA, once.

        Raises:
            ConfigError: there is no library, or this jaxlib does not accept it.
        """
        there = self.path()
        if there is None:
            raise ConfigError(
                f"{self.about} was not built: no {self.compiler} was found when equijax was installed, or it was too old. "
                f"Install one and reinstall, or use {self.otherwise}."
            )
        try:
            return self.register(there, self.platform)
        except Exception as error:
            raise ConfigError(f"{self.about} at {there} does not load with jaxlib {jax.lib.__version__}: {error}. Reinstall equijax, or use {self.otherwise}.") from error

    def register(self, file: Path, platform: str) -> ctypes.CDLL:
        """Load a file and register its functions for one of XLA's platforms."""
        library = ctypes.CDLL(str(file))
        for target in self.targets:
            jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, target)), platform=platform)
            if self.batched:
                jax.ffi.register_ffi_target_as_batch_partitionable(target)
        return library

    def why_not(self) -> str | None:
        """Return why the library cannot be used here, or None if it can."""
        try:
            self.load()
        except ConfigError as error:
            return str(error)
        return None
