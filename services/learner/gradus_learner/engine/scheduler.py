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

import numpy as np
import torch

from gradus_learner.engine.arena import Region, region_capacities
from gradus_learner.engine.batch import Batch, Turn, join_draws
from gradus_learner.engine.events import EngineEvents
from gradus_learner.engine.prefill_plan import plan_prefill
from gradus_learner.engine.prefix_cache import CachedPrefix, PrefixCache
from gradus_learner.engine.request import Finish, Request
from gradus_learner.engine.sampler import sample
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.engine.transformer import Part, Span, Weights, decode, prefill

# A sequence starts in a region with at least this much room.
_ROOM_TOKENS = 16
# Most attention scores of one layer in one pass of prefill: 64 MiB of float32.
_MAX_SCORES = 2**24


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
        self.events = events
        self._prefill_tokens = prefill_tokens
        self._max_running = max_running
        self._running = 0
        self._batches = [
            Batch(Region(weights.config, capacity, weights.device), max_running)
            for capacity in region_capacities(max_context)
        ]
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
        return self._running

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def cache_bytes(self) -> int:
        return self._cache.size_bytes

    @property
    def arena_bytes(self) -> int:
        return sum(batch.region.size_bytes for batch in self._batches)

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
                self.events.step_failed(error)
                for turn in self._turns():
                    self._break(turn, error)
        for turn in (*self._turns(), *self._waiting):
            self._resolve(turn, Finish.ABORTED)
        for load in self._loads:
            load.done.set_exception(StoppedError("the engine is shutting down"))

    def _await_work(self) -> bool:
        with self._lock:
            while not (self._stopping or self._waiting or self._aborts or self._loads or self._running):
                self._lock.wait()
            return not self._stopping

    def step(self) -> None:
        """One round of the engine's thread (or of a test that stands in for it)."""
        self._apply_aborts()
        while self._loads:
            self._swap(self._loads.popleft())
        self._admit()
        if self._running:
            self._decode()

    def _turns(self) -> list[Turn]:
        return [turn for batch in self._batches for turn in batch.turns]

    def _apply_aborts(self) -> None:
        if not self._aborts:
            return
        with self._lock:
            aborts, self._aborts = self._aborts, []
            for turn in aborts:
                if turn.batch is None and turn in self._waiting:
                    self._waiting.remove(turn)
                    self._resolve(turn, Finish.ABORTED, locked=True)
        self._finish([(turn, Finish.ABORTED) for turn in dict.fromkeys(aborts) if turn.batch is not None])

    def _admit(self) -> None:
        admitted = self._take_waiting()
        if not admitted:
            return
        now = time.perf_counter()
        self.events.admitted(
            sum(len(turn.token_ids) - turn.cached_tokens for turn in admitted),
            sum(turn.cached_tokens for turn in admitted),
            [now - turn.queued_at for turn in admitted],
        )
        # Neighbours of like length waste little on padding.
        admitted.sort(key=lambda turn: len(turn.token_ids) - turn.cached_tokens)
        spans: dict[int, list[Span]] = {}
        for turn in admitted:
            turn.started_at, turn.first_version = now, self._version
            # Some room to grow, or the turn would soon move on.
            place = self._place(min(turn.limit, len(turn.token_ids) + _ROOM_TOKENS))
            batch = self._batches[place]
            row = batch.add(turn)
            self._running += 1
            if turn.prefix is not None:
                batch.region.import_row(row, turn.prefix.kv, turn.cached_tokens)
                turn.prefix = None
            spans.setdefault(place, []).append(Span(row, turn.cached_tokens, turn.token_ids[turn.cached_tokens :]))
        logits = [part for place, jobs in spans.items() for part in self._prefill(self._batches[place], jobs)]
        self._sample(
            torch.cat(logits), [(self._batches[place], jobs[0].row, len(jobs)) for place, jobs in spans.items()]
        )

    def _take_waiting(self) -> list[Turn]:
        admitted: list[Turn] = []
        budget = self._prefill_tokens
        with self._lock:
            while self._waiting and self._running + len(admitted) < self._max_running and budget > 0:
                turn = self._waiting.popleft()
                if turn.future.cancelled():
                    self._resolve(turn, Finish.ABORTED, locked=True)
                elif turn.limit <= len(turn.token_ids):
                    self._resolve(turn, Finish.CONTEXT, locked=True)
                else:
                    session = turn.request.session_id
                    hit = self._cache.take(session, turn.token_ids) if session else None
                    if hit is not None:
                        turn.prefix, turn.cached_tokens = hit
                    budget -= len(turn.token_ids) - turn.cached_tokens
                    admitted.append(turn)
        return admitted

    def _place(self, tokens: int) -> int:
        return next(index for index, batch in enumerate(self._batches) if batch.region.capacity >= tokens)

    def _prefill(self, batch: Batch, spans: list[Span], logits: bool = True) -> list[torch.Tensor]:
        """Logits after each span's last token, in order."""
        scores_per_token = self._weights.config.num_attention_heads * batch.region.capacity
        budget = max(16, min(self._prefill_tokens, _MAX_SCORES // scores_per_token))
        results = [
            prefill(self._weights, batch.region, part.spans, logits=logits and part.final)
            for part in plan_prefill(spans, budget)
        ]
        return [result for result in results if result is not None]

    def _decode(self) -> None:
        device = self._weights.device
        for batch in self._batches:
            if batch.longest > batch.region.capacity:
                self._move_on(batch)
        parts: list[Part] = []
        places: list[tuple[Batch, int, int]] = []
        for batch in self._batches:
            count = len(batch.turns)
            if count:
                # The last token of each sequence is the one to compute.
                positions = torch.from_numpy(batch.lengths[:count] - 1).to(device)
                parts.append(Part(batch.region, positions, batch.longest))
                places.append((batch, 0, count))
        last = np.concatenate([batch.last_tokens[:count] for batch, _, count in places])
        self._sample(decode(self._weights, torch.from_numpy(last).to(device), parts), places)

    def _move_on(self, batch: Batch) -> None:
        """Turns that have outgrown their region go to the next that holds them."""
        for turn in [turn for turn in batch.turns if len(turn.token_ids) > batch.region.capacity]:
            known = len(turn.token_ids) - 1
            kv = batch.region.export_row(turn.row, known)
            batch.remove(turn)
            target = self._batches[self._place(min(turn.limit, len(turn.token_ids) + _ROOM_TOKENS))]
            target.region.import_row(target.add(turn), kv, known)

    def _sample(self, logits: torch.Tensor, places: list[tuple[Batch, int, int]]) -> None:
        """Draw a token for each row of (batch, first row, count), in order, and end the turns that are complete."""
        draw = join_draws([batch.draw(first, count) for batch, first, count in places])
        with torch.inference_mode():
            tokens, logprobs = sample(logits, draw)
        drawn: list[int] = tokens.tolist()
        scores: list[float] = logprobs.tolist()
        self.events.sampled(len(drawn))
        finished: list[tuple[Turn, Finish]] = []
        broken: list[Turn] = []
        at = 0
        for batch, first, count in places:
            batch.last_tokens[first : first + count] = drawn[at : at + count]
            batch.lengths[first : first + count] += 1
            for turn in batch.turns[first : first + count]:
                token, score = drawn[at], scores[at]
                at += 1
                if not math.isfinite(score):
                    broken.append(turn)
                    continue
                turn.token_ids.append(token)
                turn.logprobs.append(score)
                if token in turn.rule.triggers or token == turn.eos or len(turn.token_ids) >= turn.limit:
                    finish = turn.finish_after(token, self.vocabulary)
                    if finish is not None:
                        finished.append((turn, finish))
        for turn in broken:
            self._break(turn, NonFiniteError("the weights gave logits that are not finite; load a sound version"))
        self._finish(finished)

    def _finish(self, finished: list[tuple[Turn, Finish]]) -> None:
        """Hand over these turns and close the gaps they leave."""
        # From the last row down, so that a row that moves into a gap is one that stays.
        for turn, finish in sorted(finished, key=lambda item: -item[0].row):
            batch = turn.batch
            assert batch is not None
            # The last sampled token was never an input: its keys are not there.
            known = len(turn.token_ids) - 1
            if turn.request.session_id and known > 0 and self._cache.budget_bytes:
                kv = batch.region.export_row(turn.row, known)
                self._cache.put(turn.request.session_id, CachedPrefix(turn.token_ids[:known], kv))
            batch.remove(turn)
            self._running -= 1
            self._resolve(turn, finish)

    def _break(self, turn: Turn, error: Exception) -> None:
        batch = turn.batch
        assert batch is not None
        # Masked keys and values are multiplied by zero, which not-a-number survives.
        batch.region.clear_row(turn.row)
        batch.remove(turn)
        self._running -= 1
        self._forget(turn, locked=False)
        self.events.failed()
        if turn.future.set_running_or_notify_cancel():
            turn.future.set_exception(error)

    def _swap(self, load: _Load) -> None:
        started = time.perf_counter()
        self._weights = load.weights
        self._cache.clear()
        for batch in self._batches:
            batch.mark_version(self._version)
        self._version = load.version
        try:
            for batch in self._batches:
                # All but the token not yet fed.
                spans = [Span(row, 0, turn.token_ids[:-1]) for row, turn in enumerate(batch.turns)]
                self._prefill(batch, [span for span in spans if span.token_ids], logits=False)
        except Exception as error:
            load.done.set_exception(error)
            raise
        self.events.swapped(load.version, time.perf_counter() - started)
        load.done.set_result(self._running + len(self._waiting))

    def _resolve(self, turn: Turn, finish: Finish, *, locked: bool = False) -> None:
        now = time.perf_counter()
        outcome = turn.outcome(finish, now, self._version)
        if finish is not Finish.ABORTED:
            self._turn_seconds += 0.05 * (now - turn.queued_at - self._turn_seconds)
        self._forget(turn, locked)
        self.events.finished(finish)
        if turn.future.set_running_or_notify_cancel():
            turn.future.set_result(outcome)

    def _forget(self, turn: Turn, locked: bool) -> None:
        if locked:
            if self._active.get(turn.request.request_id) is turn:
                del self._active[turn.request.request_id]
            return
        with self._lock:
            self._forget(turn, locked=True)
