"""One turn to generate: what is asked, what comes back, and the check of the one at the edge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gradus.policy.v1 import policy_pb2
from gradus_learner.errors import InputError


class Finish(Enum):
    """Why a turn ended; values are those of gradus.trajectory.v1.FinishReason."""

    STOP = 1
    LENGTH = 2
    CONTEXT = 3
    ABORTED = 4


@dataclass(frozen=True)
class Sampling:
    # 0 is greedy.
    temperature: float = 1.0
    # 1 is off.
    top_p: float = 1.0
    # 0 is off.
    top_k: int = 0
    max_new_tokens: int = 1
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    request_id: str
    session_id: str
    token_ids: list[int]
    sampling: Sampling
    context_tokens: int
    # Greater goes first.
    priority: int = 0


@dataclass(frozen=True)
class Outcome:
    """`text` and digest are computed by the one who sends the answer, off the engine's thread."""

    token_ids: list[int]
    logprobs: list[float]
    finish: Finish
    first_version: int
    last_version: int
    cached_tokens: int
    queue_seconds: float
    generate_seconds: float


MAX_STOP_STRINGS = 16
MAX_TEMPERATURE = 10.0
MAX_PRIORITY = 9


def _require(holds: bool, message: Callable[[], str]) -> None:
    if not holds:
        raise InputError(message())


def parse_request(message: policy_pb2.GenerateRequest, vocabulary: int, max_context: int) -> Request:
    """Raises InputError for a request that can never be served."""
    drawn = message.sampling
    token_ids = list(message.token_ids)
    length = len(token_ids)
    _require(length > 0, lambda: "token_ids is empty; send the whole sequence so far, at least one token")
    _require(
        length <= max_context,
        lambda: (
            f"token_ids has {length} tokens, over the engine's maximum of {max_context}; "
            "shorten the sequence or start the engine with a larger --max-context"
        ),
    )
    largest = max(token_ids)
    _require(
        largest < vocabulary,
        lambda: (
            f"token_ids[{token_ids.index(largest)}] is {largest}, but the vocabulary has {vocabulary} tokens "
            f"(0..{vocabulary - 1}); use the tokenizer that Describe names"
        ),
    )
    _require(
        message.context_tokens <= max_context,
        lambda: (
            f"context_tokens is {message.context_tokens}, over the engine's maximum of {max_context}; "
            "lower it or start the engine with a larger --max-context"
        ),
    )
    _require(
        math.isfinite(drawn.temperature) and 0 <= drawn.temperature <= MAX_TEMPERATURE,
        lambda: f"sampling.temperature is {drawn.temperature}; it must lie in 0..{MAX_TEMPERATURE:g} (0 is greedy)",
    )
    _require(
        math.isfinite(drawn.top_p) and 0 <= drawn.top_p <= 1,
        lambda: f"sampling.top_p is {drawn.top_p}; it must lie in 0..1 (0 and 1 switch it off)",
    )
    _require(drawn.max_new_tokens > 0, lambda: "sampling.max_new_tokens is 0; ask for at least one token")
    _require(
        len(drawn.stop) <= MAX_STOP_STRINGS,
        lambda: f"sampling.stop has {len(drawn.stop)} strings; at most {MAX_STOP_STRINGS} are allowed",
    )
    _require(all(drawn.stop), lambda: "sampling.stop holds an empty string, which every text contains; remove it")
    _require(
        message.priority <= MAX_PRIORITY, lambda: f"priority is {message.priority}; it must lie in 0..{MAX_PRIORITY}"
    )
    _require(
        not message.HasField("form"),
        lambda: (
            "form is set, and the built-in engine samples freely; leave it out, "
            "or use an engine whose Describe lists forms"
        ),
    )
    return Request(
        request_id=message.request_id,
        session_id=message.session_id,
        token_ids=token_ids,
        sampling=Sampling(
            temperature=drawn.temperature,
            top_p=drawn.top_p or 1.0,
            top_k=drawn.top_k,
            max_new_tokens=drawn.max_new_tokens,
            seed=drawn.seed,
            stop=tuple(drawn.stop),
        ),
        context_tokens=message.context_tokens or max_context,
        priority=message.priority,
    )
