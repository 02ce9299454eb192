"""A rank that serves nobody: it does what rank 0 calls for, until rank 0 ends.

joined --call--> training --done, or failed on every rank--> joined
  |                 |--failed here alone, rank 0 lost--> exit 1
  |--end of rank 0--> exit 0
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import time
from typing import Any

import torch

from gradus_learner.serve.config import LearnerConfig
from gradus_learner.serve.ranks.group import RankGroup
from gradus_learner.serve.ranks.place import device_of
from gradus_learner.serve.telemetry import setup_logging
from gradus_learner.train.shared_run import CloseRun, SharedRun, receive_run
from gradus_learner.train.shared_step import SharedStep, is_shared, train_step
from gradus_learner.train.trainer import Trainer

# After rank 0 had its time to drain.
LATER_SECONDS = 5.0


class Member:
    def __init__(self, config: LearnerConfig, group: RankGroup, log: logging.Logger) -> None:
        self.config = config
        self.group = group
        self.log = log
        self.trainer: Trainer | None = None
        self._stop_at: float | None = None

    def serve(self) -> int:
        """The exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        self.group.lost.add_done_callback(lambda lost: self._leave(lost.result()))
        while True:
            try:
                word = self.group.links.calls.get(timeout=0.5)
            except queue.Empty:
                if self._stop_at is not None and time.monotonic() >= self._stop_at:
                    return self._fail("asked to end, and rank 0 goes on")
                continue
            if word == "end":
                self.log.info("stopped", extra=self._fields())
                return 0
            try:
                self._answer(self.group.ranks.receive())
            except Exception as error:
                if not is_shared(self.group.ranks, error):
                    self.log.critical("this rank failed", exc_info=error, extra=self._fields())
                    return self._fail(f"{type(error).__name__}: {error}")
                self.log.warning("%s", error, extra=self._fields())

    def _answer(self, call: Any) -> None:
        self.log.debug("rank 0 calls", extra={"fields": {"rank": self.group.place.rank, "call": type(call).__name__}})
        match call:
            case CloseRun():
                self.trainer = None
                call.free()
            case SharedRun():
                self.trainer = None
                device = torch.device(device_of(self.config.device, self.group.place))
                self.trainer = receive_run(call, device, self.group.ranks)
            case SharedStep():
                if self.trainer is None:
                    raise RuntimeError("a step was called for, and no run is open")
                train_step(self.trainer, call)
            case _:
                raise TypeError(f"rank 0 called for {type(call).__name__}; ranks of different versions")

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        """Rank 0 needs this one until it has drained."""
        self._stop_at = time.monotonic() + self.config.drain_ms / 1000 + LATER_SECONDS

    def _fail(self, words: str) -> int:
        self.group.links.fail(words)
        return 1

    def _leave(self, what: str) -> None:
        """From the thread of the links: the one that trains may wait for rank 0 in an exchange."""
        self.log.critical("%s; this rank ends", what, extra=self._fields())
        sys.stderr.flush()
        os._exit(1)

    def _fields(self) -> dict[str, Any]:
        return {"fields": {"rank": self.group.place.rank}}


def run_member(config: LearnerConfig, group: RankGroup) -> int:
    """The whole of a main of a rank above 0."""
    log = setup_logging("learner", config.log_level)
    print(json.dumps({"service": "learner", "rank": group.place.rank}), flush=True)
    log.info("joined", extra={"fields": {"rank": group.place.rank, "ranks": group.place.size, "process": os.getpid()}})
    code = Member(config, group, log).serve()
    sys.stderr.flush()
    if code != 0:
        # Ends no exchange in order: the others are not there for that.
        os._exit(code)
    return code
