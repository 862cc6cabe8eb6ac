"""Reading pickles from the internet: arrays and plain containers only, never code."""

import io
import pickle
from pathlib import Path

from equijax.errors import DataFormatError

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    *((module, name) for module in ("numpy.core.multiarray", "numpy._core.multiarray") for name in ("_reconstruct", "scalar")),
    *((module, "_frombuffer") for module in ("numpy.core.numeric", "numpy._core.numeric")),
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def load_arrays(path: Path) -> object:
    """Unpickle a file that may hold NumPy arrays, numbers, strings, lists and dictionaries.

    Raises:
        DataFormatError: the pickle is broken, or wants anything else, which could run code.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    except pickle.UnpicklingError as error:
        raise DataFormatError(f"{path}: not a plain pickle of arrays ({error}); equijax does not run code from data files.") from None
    except (EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError, ImportError) as error:
        raise DataFormatError(f"{path}: the pickle is damaged or cut off ({error}); fetch it again.") from None
