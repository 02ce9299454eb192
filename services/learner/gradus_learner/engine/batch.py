"""The turns that run in one region, one per row, with what a step needs of them in arrays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from gradus_learner.engine.arena import Region
from gradus_learner.engine.prefix_cache import CachedPrefix
from gradus_learner.engine.request import Finish, Outcome, Request
from gradus_learner.engine.sampler import Draw, stream_keys, uniforms
from gradus_learner.engine.stops import StopRule, Vocabulary


class Turn:
    """One request on its way. `token_ids` is prompt and generated tokens in one list."""

    __slots__ = (
        "batch",
        "cached_at_start",
        "cached_tokens",
        "earlier_version",
        "ends",
        "first_version",
        "future",
        "limit",
        "logprobs",
        "prefix",
        "prompt_tokens",
        "queued_at",
        "request",
        "row",
        "rule",
        "started_at",
        "token_ids",
        "tokens_before_version",
    )

    def __init__(self, request: Request, rule: StopRule, ends: tuple[int, ...]) -> None:
        self.request = request
        self.rule = rule
        self.ends = ends
        self.token_ids = list(request.token_ids)
        self.prompt_tokens = len(request.token_ids)
        self.logprobs: list[float] = []
        # Length of the sequence at which generation ends in any case.
        self.limit = min(request.context_tokens, self.prompt_tokens + request.sampling.max_new_tokens)
        # Where it runs; None before and after.
        self.batch: Batch | None = None
        self.row = -1
        self.prefix: CachedPrefix | None = None
        self.cached_tokens = 0
        self.cached_at_start = 0
        self.first_version: int | None = None
        # The version that wrote the token before the last load, and how long the sequence was then.
        self.earlier_version = 0
        self.tokens_before_version = -1
        self.queued_at = time.perf_counter()
        self.started_at: float | None = None
        self.future: Future[Outcome] = Future()

    def begin(self, version: int) -> None:
        """Takes a row, maybe again after it lost one."""
        if self.started_at is None:
            self.started_at, self.first_version = time.perf_counter(), version
            self.cached_at_start = self.cached_tokens

    def mark_version(self, version: int) -> None:
        """The tokens so far were written by `version`; another one is about to write."""
        self.earlier_version = version
        self.tokens_before_version = len(self.token_ids)

    def finish_after(self, token: int, vocabulary: Vocabulary) -> Finish | None:
        """Why the turn ends with its last token, if it does."""
        if token in self.ends:
            return Finish.STOP
        if token in self.rule.triggers and vocabulary.stops(self.rule, self.token_ids[self.prompt_tokens :]):
            return Finish.STOP
        if len(self.token_ids) >= self.request.context_tokens:
            return Finish.CONTEXT
        if len(self.token_ids) >= self.limit:
            return Finish.LENGTH
        return None

    def outcome(self, finish: Finish, now: float, version: int) -> Outcome:
        started = now if self.started_at is None else self.started_at
        nothing_since = len(self.token_ids) == self.tokens_before_version
        return Outcome(
            token_ids=self.token_ids[self.prompt_tokens :],
            logprobs=self.logprobs,
            finish=finish,
            first_version=version if self.first_version is None else self.first_version,
            last_version=self.earlier_version if nothing_since else version,
            cached_tokens=self.cached_at_start,
            queue_seconds=started - self.queued_at,
            generate_seconds=now - started,
        )


class Batch:
    """Rows 0..count-1 of the region are active."""

    def __init__(self, region: Region, rows: int) -> None:
        self.region = region
        self.turns: list[Turn] = []
        # Of the sequence so far; its last token is sampled, but not yet an input.
        self.lengths = np.zeros(rows, np.int64)
        self.last_tokens = np.zeros(rows, np.int64)
        self._keys = np.zeros(rows, np.uint64)
        self._inverse_temperature = np.ones(rows, np.float32)
        self._greedy = np.zeros(rows, np.bool_)
        self._top_k = np.zeros(rows, np.int64)
        self._top_p = np.ones(rows, np.float64)
        self._arrays = (
            self.lengths,
            self.last_tokens,
            self._keys,
            self._inverse_temperature,
            self._greedy,
            self._top_k,
            self._top_p,
        )

    @property
    def count(self) -> int:
        return len(self.turns)

    def add(self, turn: Turn) -> int:
        """Give the turn the next row. Its keys and values are the caller's matter."""
        row = len(self.turns)
        self.region.reserve(row + 1)
        sampling = turn.request.sampling
        self.lengths[row] = len(turn.token_ids)
        self.last_tokens[row] = turn.token_ids[-1]
        self._keys[row] = stream_keys(np.array([sampling.seed], np.uint64))[0]
        self._greedy[row] = sampling.temperature == 0
        self._inverse_temperature[row] = 1.0 if sampling.temperature == 0 else 1.0 / sampling.temperature
        self._top_k[row] = sampling.top_k
        self._top_p[row] = sampling.top_p
        turn.batch, turn.row = self, row
        self.turns.append(turn)
        return row

    def remove(self, turn: Turn) -> None:
        """Take a turn out; the last row takes its place, keys and values included."""
        row = turn.row
        turn.batch, turn.row = None, -1
        last = self.turns.pop()
        if last is turn:
            return
        source = last.row
        for array in self._arrays:
            array[row] = array[source]
        self.region.move(source, row, int(self.lengths[row]) - 1)
        last.row = row
        self.turns[row] = last

    def draw(self, first: int, count: int) -> Draw:
        """Settings and random numbers for the next token of rows first..first + count - 1."""
        part = slice(first, first + count)
        return Draw(
            inverse_temperature=self._inverse_temperature[part],
            greedy=self._greedy[part],
            top_k=self._top_k[part],
            top_p=self._top_p[part],
            uniform=uniforms(self._keys[part], self.lengths[part]),
        )

    @property
    def longest(self) -> int:
        return int(self.lengths[: len(self.turns)].max()) if self.turns else 0


def join_draws(draws: Sequence[Draw]) -> Draw:
    if len(draws) == 1:
        return draws[0]
    return Draw(
        inverse_temperature=np.concatenate([draw.inverse_temperature for draw in draws]),
        greedy=np.concatenate([draw.greedy for draw in draws]),
        top_k=np.concatenate([draw.top_k for draw in draws]),
        top_p=np.concatenate([draw.top_p for draw in draws]),
        uniform=np.concatenate([draw.uniform for draw in draws]),
    )
