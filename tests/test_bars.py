import signal
import sys

import pytest

from equijax import bars


@pytest.fixture
def listening(monkeypatch):
    monkeypatch.setattr(bars, "_heard", type(bars._heard)())
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    bars.listen()
    yield
    signal.signal(signal.SIGINT, before)


class Dying:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


def drop(number=signal.SIGINT):
    """Interrupt where Python has nobody to tell: the exception of a destructor goes to sys.unraisablehook, and the program goes on."""
    Dying(number)


def test_an_interrupt_is_raised_at_once(listening):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("disable", [False, True])
def test_a_dropped_interrupt_is_raised_when_a_bar_moves_on(listening, capsys, disable):
    with bars.Bar(total=3, disable=disable) as bar:
        bar.update()
        drop()
        assert "Traceback" not in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            bar.update()


def test_and_when_a_loop_goes_on(listening):
    items = iter(bars.Bar(range(3), disable=True))
    next(items)
    drop()
    with pytest.raises(KeyboardInterrupt):
        next(items)


def test_other_errors_of_destructors_are_still_told(listening, capsys):
    drop("no number")
    assert "TypeError" in capsys.readouterr().err


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_who_ignores_or_handles_interrupts_goes_on_doing_so(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        bars.listen()
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
