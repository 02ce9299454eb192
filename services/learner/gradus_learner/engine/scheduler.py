"""The engine's thread: continuous batching of turns over one copy of the weights.

States of a turn:

    submit -> waiting -> running -> finished        (stop, length, context)
                 |          |
                 +----------+-> finished: aborted   (call cancelled, Abort)

A step admits waiting turns (their prompts are computed together, and each samples its first token), then decodes one
token for every running turn. Weights change between steps; running turns keep their tokens, their keys and values are
recomputed. Everything that touches the arena runs on this thread; others reach it through `submit`, `abort`, `load`.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

import torch

from gradus_learner.engine.arena import Arena
from gradus_learner.engine.batch import Batch, Turn
from gradus_learner.engine.events import EngineEvents
from gradus_learner.engine.prefill_plan import plan_prefill
from gradus_learner.engine.prefix_cache import CachedPrefix, PrefixCache
from gradus_learner.engine.request import Finish, Request
from gradus_learner.engine.sampler import sample
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.engine.transformer import Span, Weights, decode, prefill


class QueueFullError(RuntimeError):
    def __init__(self, waiting: int, retry_after_ms: int) -> None:
        super().__init__(f"{waiting} requests are waiting already, the most this engine queues; retry later")
        self.retry_after_ms = retry_after_ms


class StoppedError(RuntimeError):
    """The engine is shutting down and takes no more work."""


class NonFiniteError(RuntimeError):
    """The weights gave logits that are not numbers."""


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
    ) -> None:
        self.vocabulary = vocabulary
        self.max_context = max_context
        self.max_waiting = max_waiting
        self._weights = weights
        self._version = version
        self._events = events
        self._prefill_tokens = prefill_tokens
        self._arena = Arena(weights.config, max_running, max_context, weights.device)
        self._batch = Batch(max_running)
        self._cache = PrefixCache(cache_bytes)
        self._lock = threading.Condition()
        self._waiting: deque[Turn] = deque()
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
    def weights(self) -> Weights:
        return self._weights

    @property
    def running(self) -> int:
        return self._batch.count

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def cache_bytes(self) -> int:
        return self._cache.size_bytes

    @property
    def arena_bytes(self) -> int:
        return self._arena.size_bytes

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: Request) -> Turn:
        """The turn's future gives the outcome. Raises QueueFullError, StoppedError."""
        turn = Turn(request, self.vocabulary.rule(request.sampling.stop), self._weights.config.eos_token_id)
        with self._lock:
            if self._stopping:
                raise StoppedError("the engine is shutting down")
            if len(self._waiting) >= self.max_waiting:
                raise QueueFullError(len(self._waiting), int(1000 * min(max(self._turn_seconds, 0.05), 5.0)))
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
                # One bad step must not leave callers waiting for ever: fail what runs, go on with what waits.
                self._events.step_failed(error)
                self._fail_running(error)
        for turn in list(self._batch.turns):
            self._resolve(turn, Finish.ABORTED)
        for turn in list(self._waiting):
            self._resolve(turn, Finish.ABORTED)
        for load in self._loads:
            load.done.set_exception(StoppedError("the engine is shutting down"))

    def _await_work(self) -> bool:
        with self._lock:
            while not (self._stopping or self._waiting or self._aborts or self._loads or self._batch.count):
                self._lock.wait()
            return not self._stopping

    def step(self) -> None:
        """One round of the engine's thread (or of a test that stands in for it)."""
        self._apply_aborts()
        while self._loads:
            self._swap(self._loads.popleft())
        self._admit()
        if self._batch.count:
            self._decode()

    def _apply_aborts(self) -> None:
        if not self._aborts:
            return
        with self._lock:
            aborts, self._aborts = self._aborts, []
            for turn in aborts:
                if turn.row is None and turn in self._waiting:
                    self._waiting.remove(turn)
                    self._resolve(turn, Finish.ABORTED, locked=True)
        self._finish([(turn.row, Finish.ABORTED) for turn in dict.fromkeys(aborts) if turn.row is not None])

    def _admit(self) -> None:
        batch = self._batch
        admitted: list[Turn] = []
        budget = self._prefill_tokens
        with self._lock:
            while self._waiting and batch.count + len(admitted) < batch.rows and budget > 0:
                turn = self._waiting.popleft()
                if turn.future.cancelled():
                    self._resolve(turn, Finish.ABORTED, locked=True)
                    continue
                if turn.limit <= len(turn.token_ids):
                    self._resolve(turn, Finish.CONTEXT, locked=True)
                    continue
                self._take_prefix(turn)
                budget -= len(turn.token_ids) - turn.cached_tokens
                admitted.append(turn)
        if not admitted:
            return
        # Neighbours of like length waste little on padding.
        admitted.sort(key=lambda turn: len(turn.token_ids) - turn.cached_tokens)
        now = time.perf_counter()
        spans: list[Span] = []
        for turn in admitted:
            row = batch.add(turn, now, self._version)
            if turn.prefix is not None:
                self._arena.import_row(row, turn.prefix.kv, turn.cached_tokens)
                turn.prefix = None
            spans.append(Span(row, turn.cached_tokens, turn.token_ids[turn.cached_tokens :]))
        self._events.admitted(
            sum(len(span.token_ids) for span in spans),
            sum(turn.cached_tokens for turn in admitted),
            [now - turn.queued_at for turn in admitted],
        )
        first_row = spans[0].row
        logits: list[torch.Tensor] = []
        for part in plan_prefill(spans, self._prefill_tokens):
            out = prefill(self._weights, self._arena, part.spans, logits=part.final)
            if out is not None:
                logits.append(out)
        self._sample(torch.cat(logits) if len(logits) > 1 else logits[0], first_row)

    def _take_prefix(self, turn: Turn) -> None:
        hit = self._cache.take(turn.request.session_id, turn.token_ids) if turn.request.session_id else None
        if hit is not None:
            turn.prefix, turn.cached_tokens = hit

    def _decode(self) -> None:
        batch, count, device = self._batch, self._batch.count, self._weights.device
        positions = batch.lengths[:count] - 1
        logits = decode(
            self._weights,
            self._arena,
            torch.from_numpy(batch.last_tokens[:count]).to(device),
            torch.from_numpy(positions).to(device),
            int(positions.max()) + 1,
        )
        self._sample(logits, 0)

    def _sample(self, logits: torch.Tensor, first_row: int) -> None:
        """Draw a token for each row from `first_row` on, and end the turns that are complete."""
        batch = self._batch
        count = logits.shape[0]
        with torch.inference_mode():
            tokens, logprobs = sample(logits, batch.draw(first_row, count))
        drawn = tokens.tolist()
        scores = logprobs.tolist()
        batch.last_tokens[first_row : first_row + count] = drawn
        batch.lengths[first_row : first_row + count] += 1
        self._events.sampled(count)
        finished: list[tuple[int, Finish]] = []
        broken: list[int] = []
        for row, (turn, token, score) in enumerate(
            zip(batch.turns[first_row : first_row + count], drawn, scores, strict=True), first_row
        ):
            # NaN and infinities alike.
            if not math.isfinite(score):
                broken.append(row)
                continue
            turn.token_ids.append(token)
            turn.logprobs.append(score)
            if token in turn.rule.triggers or token == turn.eos or len(turn.token_ids) >= turn.limit:
                finish = turn.finish_after(token, self.vocabulary)
                if finish is not None:
                    finished.append((row, finish))
        if broken:
            self._break_rows(broken, finished)
        elif finished:
            self._finish(finished)

    def _finish(self, finished: list[tuple[int, Finish]]) -> None:
        """Hand over the turns of these rows and close the gaps they leave."""
        # From the last row down, so that a row that moves into a gap is one that stays.
        for row, finish in sorted(finished, key=lambda item: -item[0]):
            turn = self._batch.turns[row]
            # The last sampled token was never an input: its keys are not in the arena.
            known = len(turn.token_ids) - 1
            if turn.request.session_id and known > 0:
                kv = self._arena.export_row(row, known)
                self._cache.put(turn.request.session_id, CachedPrefix(turn.token_ids[:known], kv))
            self._release(row)
            self._resolve(turn, finish)

    def _release(self, row: int) -> None:
        moved = self._batch.remove(row)
        if moved is not None:
            self._arena.move(moved, row, int(self._batch.lengths[row]) - 1)

    def _break_rows(self, broken: list[int], finished: list[tuple[int, Finish]]) -> None:
        error = NonFiniteError("the weights gave logits that are not finite; load a sound version")
        ends = dict(finished)
        for row in sorted({*broken, *ends}, reverse=True):
            if row in ends:
                self._finish([(row, ends[row])])
                continue
            turn = self._batch.turns[row]
            # Masked keys and values are multiplied by zero, which not-a-number survives.
            self._arena.clear_row(row)
            self._release(row)
            self._fail(turn, error)

    def _fail_running(self, error: Exception) -> None:
        for row in range(self._batch.count - 1, -1, -1):
            turn = self._batch.turns[row]
            self._batch.remove(row)
            self._arena.clear_row(row)
            self._fail(turn, error)

    def _swap(self, load: _Load) -> None:
        started = time.perf_counter()
        self._weights = load.weights
        self._cache.clear()
        self._batch.mark_version(self._version)
        self._version = load.version
        try:
            self._recompute()
        except Exception as error:
            load.done.set_exception(error)
            raise
        self._events.swapped(load.version, time.perf_counter() - started)
        load.done.set_result(self._batch.count + len(self._waiting))

    def _recompute(self) -> None:
        """Keys and values of all running turns under the present weights, but for the token not yet fed."""
        spans = [Span(row, 0, turn.token_ids[:-1]) for row, turn in enumerate(self._batch.turns)]
        for part in plan_prefill([span for span in spans if span.token_ids], self._prefill_tokens):
            prefill(self._weights, self._arena, part.spans, logits=False)

    def _resolve(self, turn: Turn, finish: Finish, *, locked: bool = False) -> None:
        now = time.perf_counter()
        outcome = turn.outcome(finish, now, self._version)
        if finish is not Finish.ABORTED:
            self._turn_seconds += 0.05 * (now - turn.queued_at - self._turn_seconds)
        self._forget(turn, locked)
        self._events.finished(finish)
        if turn.future.set_running_or_notify_cancel():
            turn.future.set_result(outcome)

    def _fail(self, turn: Turn, error: Exception) -> None:
        self._forget(turn, locked=False)
        self._events.failed()
        if turn.future.set_running_or_notify_cancel():
            turn.future.set_exception(error)

    def _forget(self, turn: Turn, locked: bool) -> None:
        if locked:
            if self._active.get(turn.request.request_id) is turn:
                del self._active[turn.request.request_id]
            return
        with self._lock:
            self._forget(turn, locked=True)
