"""What runs: turns in rows, computed together. Not thread-safe; the engine's thread owns it.

A turn enters with `begin`, which computes its prompt and samples its first token; `decode` adds one token to every
turn; both return the turns that ended. `take_out` ends one early. `swap` changes the weights under all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from gradus_learner.engine.arena import Region, region_capacities
from gradus_learner.engine.batch import Batch, Turn, join_draws
from gradus_learner.engine.prefill_plan import plan_prefill
from gradus_learner.engine.prefix_cache import CachedPrefix, PrefixCache
from gradus_learner.engine.request import Finish
from gradus_learner.engine.sampler import sample
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.engine.transformer import Part, Span, Weights, decode, prefill
from gradus_learner.errors import StateError

# A sequence starts in a region with at least this much room.
_ROOM_TOKENS = 16
# Most attention scores of one layer in one pass of prefill: 64 MiB of float32.
_MAX_SCORES = 2**24

# A turn that ended, and how: the exception is for its caller.
Ended = tuple[Turn, Finish | Exception]
# Rows of a batch: (batch, first row, count).
Place = tuple[Batch, int, int]


class NonFiniteError(StateError):
    """The weights gave logits that are not numbers."""


class Runner:
    def __init__(
        self,
        weights: Weights,
        vocabulary: Vocabulary,
        *,
        max_context: int,
        max_running: int,
        cache_bytes: int,
        prefill_tokens: int,
    ) -> None:
        self.weights = weights
        self.vocabulary = vocabulary
        self.max_running = max_running
        # Turns in rows.
        self.count = 0
        self._cache = PrefixCache(cache_bytes)
        self._prefill_tokens = prefill_tokens
        self._batches = [
            Batch(Region(weights.config, capacity, weights.device), max_running)
            for capacity in region_capacities(max_context)
        ]

    @property
    def cache_bytes(self) -> int:
        return self._cache.size_bytes

    @property
    def arena_bytes(self) -> int:
        return sum(batch.region.size_bytes for batch in self._batches)

    @property
    def tokens(self) -> int:
        """Tokens whose keys and values the rows hold, the next of each included."""
        return sum(int(batch.lengths[: batch.count].sum()) for batch in self._batches)

    def turns(self) -> list[Turn]:
        return [turn for batch in self._batches for turn in batch.turns]

    def find_prefix(self, turn: Turn) -> None:
        """Take what the turn's session left behind; `cached_tokens` says how much of the prompt that is."""
        session = turn.request.session_id
        hit = self._cache.take(session, turn.token_ids) if session else None
        if hit is not None:
            turn.prefix, turn.cached_tokens = hit

    def begin(self, turns: Sequence[Turn]) -> list[Ended]:
        spans: dict[int, list[Span]] = {}
        # Neighbours of like length waste little on padding.
        for turn in sorted(turns, key=lambda turn: len(turn.token_ids) - turn.cached_tokens):
            # Some room to grow, or the turn would soon move on.
            place = self._place(min(turn.limit, len(turn.token_ids) + _ROOM_TOKENS))
            batch = self._batches[place]
            row = batch.add(turn)
            self.count += 1
            if turn.prefix is not None:
                batch.region.import_row(row, turn.prefix.kv, turn.cached_tokens)
                turn.prefix = None
            spans.setdefault(place, []).append(Span(row, turn.cached_tokens, turn.token_ids[turn.cached_tokens :]))
        logits = [part for place, jobs in spans.items() for part in self._prefill(self._batches[place], jobs)]
        places = [(self._batches[place], jobs[0].row, len(jobs)) for place, jobs in spans.items()]
        return self._sample(torch.cat(logits), places)

    def _place(self, tokens: int) -> int:
        return next(index for index, batch in enumerate(self._batches) if batch.region.capacity >= tokens)

    def _prefill(self, batch: Batch, spans: list[Span], logits: bool = True) -> list[torch.Tensor]:
        """Logits after each span's last token, in order."""
        scores_per_token = self.weights.config.num_attention_heads * batch.region.capacity
        budget = max(16, min(self._prefill_tokens, _MAX_SCORES // scores_per_token))
        results = [
            prefill(self.weights, batch.region, part.spans, logits=logits and part.final)
            for part in plan_prefill(spans, budget)
        ]
        return [result for result in results if result is not None]

    def decode(self) -> list[Ended]:
        device = self.weights.device
        for batch in self._batches:
            if batch.longest > batch.region.capacity:
                self._move_on(batch)
        parts: list[Part] = []
        places: list[Place] = []
        for batch in self._batches:
            count = len(batch.turns)
            if count:
                # The last token of each sequence is the one to compute.
                positions = torch.from_numpy(batch.lengths[:count] - 1).to(device)
                parts.append(Part(batch.region, positions, batch.longest))
                places.append((batch, 0, count))
        last = np.concatenate([batch.last_tokens[:count] for batch, _, count in places])
        return self._sample(decode(self.weights, torch.from_numpy(last).to(device), parts), places)

    def _move_on(self, batch: Batch) -> None:
        """Turns that have outgrown their region go to the next that holds them."""
        for turn in [turn for turn in batch.turns if len(turn.token_ids) > batch.region.capacity]:
            known = len(turn.token_ids) - 1
            kv = batch.region.export_row(turn.row, known)
            batch.remove(turn)
            target = self._batches[self._place(min(turn.limit, len(turn.token_ids) + _ROOM_TOKENS))]
            target.region.import_row(target.add(turn), kv, known)

    def _sample(self, logits: torch.Tensor, places: list[Place]) -> list[Ended]:
        """Draw a token for each row of the places, in order, and take out the turns that are complete."""
        draw = join_draws([batch.draw(first, count) for batch, first, count in places])
        with torch.inference_mode():
            tokens, logprobs = sample(logits, draw)
        drawn: list[int] = tokens.tolist()
        scores: list[float] = logprobs.tolist()
        ended: list[Ended] = []
        at = 0
        for batch, first, count in places:
            batch.last_tokens[first : first + count] = drawn[at : at + count]
            batch.lengths[first : first + count] += 1
            for turn in batch.turns[first : first + count]:
                token, score = drawn[at], scores[at]
                at += 1
                if not math.isfinite(score):
                    ended.append((turn, NonFiniteError("the weights gave logits that are not finite; load others")))
                    continue
                turn.token_ids.append(token)
                turn.logprobs.append(score)
                if token in turn.rule.triggers or token in turn.ends or len(turn.token_ids) >= turn.limit:
                    finish = turn.finish_after(token, self.vocabulary)
                    if finish is not None:
                        ended.append((turn, finish))
        # From the last row down, so that a row that moves into a gap is one that stays.
        ended.sort(key=lambda item: -item[0].row)
        for turn, how in ended:
            self.take_out(turn, keep_prefix=isinstance(how, Finish))
        return ended

    def take_out(self, turn: Turn, keep_prefix: bool) -> None:
        """Free the turn's row. Without `keep_prefix` its keys and values are not trusted, and wiped."""
        batch = turn.batch
        assert batch is not None
        session = turn.request.session_id
        # The last sampled token was never an input: its keys are not there.
        known = len(turn.token_ids) - 1
        if not keep_prefix:
            # Masked keys and values are multiplied by zero, which not-a-number survives.
            batch.region.clear_row(turn.row)
        elif session and known > 0 and self._cache.budget_bytes:
            kv = batch.region.export_row(turn.row, known)
            self._cache.put(session, CachedPrefix(turn.token_ids[:known], kv))
        batch.remove(turn)
        self.count -= 1

    def swap(self, weights: Weights) -> None:
        """Running turns keep their tokens; their keys and values are computed anew."""
        self.weights = weights
        self._cache.clear()
        for batch in self._batches:
            # All but the token not yet fed.
            spans = [Span(row, 0, turn.token_ids[:-1]) for row, turn in enumerate(batch.turns)]
            self._prefill(batch, [span for span in spans if span.token_ids], logits=False)
