"""Progress bars, and interrupts that nobody can swallow.

Python raises KeyboardInterrupt wherever the program is. In a destructor, a weak reference or a callback of the garbage collector, where JAX has
several, and in some compiled code it is dropped and the program goes on. Hence `listen` has every interrupt remembered, and a `Bar` that moves on
raises what was dropped.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from tqdm import tqdm

_heard = threading.Event()


def listen() -> None:
    """Remember interrupts from now on; where they are ignored, or heard by another handler, nothing changes."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)
        sys.unraisablehook = _forgive


def _hear(number: int, frame: FrameType | None) -> None:
    _heard.set()
    signal.default_int_handler(number, frame)


def _forgive(dropped: "sys.UnraisableHookArgs") -> None:
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


class Bar(tqdm):
    """A bar that raises KeyboardInterrupt when it moves on after an interrupt that was dropped."""

    def __iter__(self) -> Iterator:
        for item in super().__iter__():
            _check()
            yield item

    def update(self, n: float | None = 1) -> bool | None:
        """Move the bar on."""
        _check()
        return super().update(n)


def close_bars() -> None:
    """End the lines of bars that an error left open, so that its message has a line of its own."""
    for bar in [*getattr(Bar, "_instances", ())]:
        bar.close()


def _check() -> None:
    if _heard.is_set():
        raise KeyboardInterrupt
