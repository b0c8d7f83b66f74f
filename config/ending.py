"""The moment a process is asked to end, before its server waits for answers under way."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_of_ending(act: Callable[[], None]) -> Iterator[None]:
    """
    This will call `act` on the running event loop when SIGTERM or SIGINT comes, and then whoever else waits for it.

    A server lets answers under way end by themselves, and tells the application of its end only after that: an answer
    without end has to hear of it another way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    held = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        handler = held[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    ours = [number for number, handler in held.items() if callable(handler)]
    for number in ours:
        signal.signal(number, told)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is told:
                signal.signal(number, held[number])
