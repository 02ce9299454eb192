"""The engine's thread: continuous batching of turns over one copy of the weights.

States of a turn:

    submit -> waiting <-> running -> finished        (stop, length, context)
                 |           |
                 +-----------+-> finished: aborted   (call cancelled, Abort)

A running turn goes back to waiting when the keys and values of all outgrow `kv_tokens`: the one of least priority that
came last. It keeps its tokens, and draws the same next ones wherever it goes on.

A step admits waiting turns (their prompts are computed together, and each samples its first token), then decodes one
token for every running turn. Weights change between steps; running turns keep their tokens, their keys and values are
recomputed. The runner belongs to this thread; others reach it through `submit`, `abort`, `load`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from gradus_learner.engine.batch import Turn
from gradus_learner.engine.events import EngineEvents
from gradus_learner.engine.request import Finish, Request
from gradus_learner.engine.runner import Ended, Runner
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.engine.transformer import Weights
from gradus_learner.engine.waiting_line import WaitingLine
from gradus_learner.errors import BusyError, NotReadyError
from gradus_learner.models.dense_config import DenseConfig

_ROOM_TOKENS = 16


class StoppedError(NotReadyError):
    """The engine is shutting down and takes no more work."""


@dataclass(frozen=True)
class _Load:
    weights: Weights
    version: int
    done: Future[int]


class Engine:
    def __init__(
        self,
        weights: Weights,
        vocabulary: Vocabulary,
        events: EngineEvents,
        *,
        version: int = 0,
        max_context: int,
        max_running: int,
        max_waiting: int,
        cache_bytes: int,
        prefill_tokens: int = 2048,
        kv_tokens: int = 0,
    ) -> None:
        self.vocabulary = vocabulary
        self.events = events
        self.max_context = max_context
        self.max_waiting = max_waiting
        self._version = version
        self._prefill_tokens = prefill_tokens
        self.max_running = max_running
        # Without a bound of its own, what the rows can hold.
        self._kv_tokens = kv_tokens or max_running * max_context
        # Turns that lost their row, since the start.
        self.preemptions = 0
        self._runner = Runner(
            weights,
            vocabulary,
            max_context=max_context,
            max_running=max_running,
            cache_bytes=cache_bytes,
            prefill_tokens=prefill_tokens,
        )
        self._lock = threading.Condition()
        self._waiting = WaitingLine()
        self._aborts: list[Turn] = []
        self._active: dict[str, Turn] = {}
        self._loads: deque[_Load] = deque()
        self._stopping = False
        self._turn_seconds = 0.2
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def version(self) -> int:
        return self._version

    @property
    def config(self) -> DenseConfig:
        return self._runner.weights.config

    @property
    def running(self) -> int:
        return self._runner.count

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def kv_used_ratio(self) -> float:
        return min(1.0, self._runner.tokens / self._kv_tokens)

    @property
    def cache_bytes(self) -> int:
        return self._runner.cache_bytes

    @property
    def arena_bytes(self) -> int:
        return self._runner.arena_bytes

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: Request) -> Turn:
        """The turn's future gives the outcome. Raises BusyError, StoppedError."""
        turn = Turn(request, self.vocabulary.rule(request.sampling.stop), self.config.eos_token_ids)
        with self._lock:
            if self._stopping:
                raise StoppedError("the engine is shutting down")
            if len(self._waiting) >= self.max_waiting:
                raise BusyError(
                    f"{len(self._waiting)} requests are waiting already, the most this engine queues; retry later",
                    int(1000 * min(max(self._turn_seconds, 0.05), 5.0)),
                )
            if request.request_id:
                # The same turn sent again (its caller gave up on the first): only the newer is wanted.
                earlier = self._active.get(request.request_id)
                if earlier is not None:
                    self._aborts.append(earlier)
                self._active[request.request_id] = turn
            self._waiting.append(turn)
            self._lock.notify()
        return turn

    def abort(self, request_id: str) -> bool:
        with self._lock:
            turn = self._active.get(request_id)
            if turn is None:
                return False
            self._aborts.append(turn)
            self._lock.notify()
            return True

    def abort_turn(self, turn: Turn) -> None:
        """Stop a turn whose caller is gone; nothing happens if it has ended."""
        with self._lock:
            self._aborts.append(turn)
            self._lock.notify()

    def load(self, weights: Weights, version: int) -> Future[int]:
        """Swap weights before the next step; the result is the number of turns carried over."""
        command = _Load(weights, version, Future())
        with self._lock:
            if self._stopping:
                raise StoppedError("the engine is shutting down")
            self._loads.append(command)
            self._lock.notify()
        return command.done

    def stop(self) -> None:
        """Abort what is left and end the thread."""
        with self._lock:
            self._stopping = True
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while self._await_work():
            try:
                self.step()
            except Exception as error:
                # One bad step must not leave callers waiting forever: fail what runs, go on with what waits.
                self.events.step_failed(error)
                for turn in self._runner.turns():
                    self._runner.take_out(turn, keep_prefix=False)
                    self._end(turn, error)
        for turn in (*self._runner.turns(), *self._waiting):
            self._end(turn, Finish.ABORTED)
        for load in self._loads:
            load.done.set_exception(StoppedError("the engine is shutting down"))

    def _await_work(self) -> bool:
        with self._lock:
            while not (self._stopping or self._waiting or self._aborts or self._loads or self._runner.count):
                self._lock.wait()
            return not self._stopping

    def step(self) -> None:
        """One round of the engine's thread (or of a test that stands in for it)."""
        self._apply_aborts()
        while self._loads:
            self._swap(self._loads.popleft())
        admitted = self._take_waiting()
        if admitted:
            self.events.admitted(
                sum(len(turn.token_ids) - turn.cached_tokens for turn in admitted),
                sum(turn.cached_tokens for turn in admitted),
                [time.perf_counter() - turn.queued_at for turn in admitted if turn.started_at is None],
            )
            for turn in admitted:
                turn.begin(self._version)
            try:
                ended = self._runner.begin(admitted)
            except Exception as error:
                for turn in admitted:
                    if turn.batch is None:
                        self._end(turn, error)
                raise
            self._end_all(ended, len(admitted))
        self._make_room()
        running = self._runner.count
        if running:
            self._end_all(self._runner.decode(), running)

    def _end_all(self, ended: list[Ended], sampled: int) -> None:
        self.events.sampled(sampled)
        for turn, how in ended:
            self._end(turn, how)

    def _apply_aborts(self) -> None:
        if not self._aborts:
            return
        with self._lock:
            aborts, self._aborts = self._aborts, []
            waiting = [turn for turn in aborts if turn.batch is None and turn in self._waiting]
            for turn in waiting:
                self._waiting.remove(turn)
        running = [turn for turn in dict.fromkeys(aborts) if turn.batch is not None]
        for turn in running:
            self._runner.take_out(turn, keep_prefix=True)
        for turn in (*waiting, *running):
            self._end(turn, Finish.ABORTED)

    def _take_waiting(self) -> list[Turn]:
        """The turns to begin now: as many as there are rows for, and about as many tokens as one pass takes."""
        admitted: list[Turn] = []
        no_room: list[Turn] = []
        budget = self._prefill_tokens
        held = self._runner.tokens
        with self._lock:
            while self._runner.count + len(admitted) < self._runner.max_running and budget > 0:
                turn = self._waiting.first()
                if turn is None:
                    break
                # With some room for everybody to grow, or it would soon lose its row again.
                needed = len(turn.token_ids) + _ROOM_TOKENS
                active = len(admitted) + self._runner.count
                if active and held + needed + _ROOM_TOKENS * self._runner.count > self._kv_tokens:
                    break
                self._waiting.remove(turn)
                if turn.limit <= len(turn.token_ids):
                    no_room.append(turn)
                    continue
                held += needed
                self._runner.find_prefix(turn)
                budget -= len(turn.token_ids) - turn.cached_tokens
                admitted.append(turn)
        for turn in no_room:
            self._end(turn, Finish.CONTEXT)
        return admitted

    def _make_room(self) -> None:
        """Until each running turn has room for its next token. One alone always has: it ends at the longest context."""
        while self._runner.count > 1 and self._runner.tokens + self._runner.count > self._kv_tokens:
            turn = min(self._runner.turns(), key=lambda turn: (turn.request.priority, -turn.queued_at))
            self._runner.take_out(turn, keep_prefix=True)
            with self._lock:
                self._waiting.put_back(turn)
            self.preemptions += 1
            self.events.preempted()

    def _swap(self, load: _Load) -> None:
        started = time.perf_counter()
        with self._lock:
            begun = [turn for turn in self._waiting if turn.started_at is not None]
        for turn in (*self._runner.turns(), *begun):
            turn.mark_version(self._version)
        self._version = load.version
        try:
            self._runner.swap(load.weights)
        except Exception as error:
            load.done.set_exception(error)
            raise
        self.events.swapped(load.version, time.perf_counter() - started)
        load.done.set_result(self._runner.count + len(self._waiting))

    def _end(self, turn: Turn, how: Finish | Exception) -> None:
        now = time.perf_counter()
        with self._lock:
            if self._active.get(turn.request.request_id) is turn:
                del self._active[turn.request.request_id]
        if isinstance(how, Finish):
            self.events.finished(how)
            if how is not Finish.ABORTED:
                self._turn_seconds += 0.05 * (now - turn.queued_at - self._turn_seconds)
        else:
            self.events.failed()
        if not turn.future.set_running_or_notify_cancel():
            return
        if isinstance(how, Finish):
            turn.future.set_result(turn.outcome(how, now, self._version))
        else:
            turn.future.set_exception(how)
