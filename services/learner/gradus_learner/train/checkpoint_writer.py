"""Checkpoints are written beside training: by a thread, one at a time, from a copy that training does not touch.

idle --start--> writing --written--> idle
                   |
                   +--failed--> its copy is kept, and the next `check` or `finish` writes it again and waits
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from gradus_learner.models.memory import available_bytes


class CheckpointWriter:
    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._write: Callable[[], object] | None = None
        self._future: Future[object] | None = None

    def start(self, write: Callable[[], object]) -> None:
        """Waits for the one before: there is one copy at most. Raises what that one raised."""
        self.finish()
        self._write = write
        self._future = self._thread.submit(write)

    def check(self) -> None:
        """Waits for nothing, but where writing has failed it is tried again. Raises what it raises then."""
        if self._future is not None and self._future.done():
            self.finish()

    def finish(self) -> None:
        """Waits until what was started is written. Raises what writing it once more raises."""
        write, future = self._write, self._future
        if write is None or future is None:
            return
        if future.exception() is not None:
            write()
        self._write = self._future = None

    def drop(self) -> None:
        """Forgets what was started, once it is written or has failed."""
        if self._future is not None:
            self._future.exception()
        self._write = self._future = None


def has_room_for_copy(tensors: Iterable[Tensor]) -> bool:
    """Whether the host's memory takes a copy and has as much left."""
    available = available_bytes(torch.device("cpu"))
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return available is None or 2 * size <= available


def host_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
