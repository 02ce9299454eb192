"""Cutting ragged prompts into forward passes: bounded in tokens, with little padding, long prompts in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradus_learner.engine.transformer import Span


@dataclass(frozen=True)
class Pass:
    spans: list[Span]
    # Index of the first span's job; the logits of a pass belong to consecutive jobs from there on.
    first: int
    # False for all but the last piece of a long prompt.
    final: bool


def plan_prefill(jobs: list[Span], budget_tokens: int) -> Iterator[Pass]:
    """`jobs` are of one region, in the order of their rows. No pass holds more than `budget_tokens`, padding
    included; its rows are consecutive; spans of very different length do not share one."""
    first = 0
    while first < len(jobs):
        job = jobs[first]
        if len(job.token_ids) > budget_tokens:
            yield from _pieces(job, first, budget_tokens)
            first += 1
            continue
        end, shortest, longest = first, len(job.token_ids), len(job.token_ids)
        while end < len(jobs):
            new = len(jobs[end].token_ids)
            lower, upper = min(shortest, new), max(longest, new)
            apart = jobs[end].row != jobs[first].row + end - first
            if apart or upper * (end - first + 1) > budget_tokens or upper > 2 * lower + 32:
                break
            shortest, longest, end = lower, upper, end + 1
        yield Pass(jobs[first:end], first, True)
        first = end


def _pieces(job: Span, first: int, budget_tokens: int) -> Iterator[Pass]:
    for at in range(0, len(job.token_ids), budget_tokens):
        piece = job.token_ids[at : at + budget_tokens]
        yield Pass([Span(job.row, job.start + at, piece)], first, at + budget_tokens >= len(job.token_ids))
