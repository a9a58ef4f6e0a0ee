"""Two requests that meet at one very point: deterministic races through the front door."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType


@contextmanager
def meanwhile(function: Callable[..., object], act: Callable[[], object]) -> Iterator[None]:
    """Do `act` to its end, in another thread, when the block first calls `function`.

    Nothing is patched: the call waits for it, as it would for a busy machine, then runs.
    """
    waiting = [act]
    code = function.__code__

    def note(frame: FrameType, happens: str, _: object) -> None:
        if happens == "call" and frame.f_code is code and waiting:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(waiting.pop()).result()

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
    assert not waiting, "the block did not get there"
