"""The compiled convolutions, one library a device."""

import ctypes

from equijax.native_library import NativeLibrary

TARGETS = {
    "cpu": {name: f"equijax_{name}" for name in ("forward", "backward", "geometry")},
    "cuda": {name: f"equijax_cuda_{name}" for name in ("forward", "backward", "table", "geometry")},
}
"""What XLA calls the functions of each library."""

_PACKAGE = "equijax.nn.kernels.native"
LIBRARIES = {
    "cpu": NativeLibrary(f"{_PACKAGE}._library", "the native kernel", "C++ compiler (GCC 12 or Clang)", "cpu", tuple(TARGETS["cpu"].values()), "xla"),
    "cuda": NativeLibrary(f"{_PACKAGE}._cuda", "the cuda kernel", "nvcc (CUDA 12 or later)", "CUDA", tuple(TARGETS["cuda"].values()), "xla"),
}


def instruction_set() -> str:
    """Return which of its instruction sets the CPU library uses on this machine: avx512, avx2 or baseline."""
    name = LIBRARIES["cpu"].load().equijax_instruction_set
    name.restype = ctypes.c_char_p
    return name().decode()


def why_not(device: str = "cpu") -> str | None:
    """Return why the library for a device, "cpu" or "cuda", cannot be used here, or None if it can."""
    return LIBRARIES[device].why_not()
