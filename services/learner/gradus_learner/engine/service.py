"""EngineService: the RPCs over one `Engine`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gradus.policy.v1 import policy_pb2
from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.engine.events import EngineEvents
from gradus_learner.engine.request import Finish, Outcome, Request, parse_request
from gradus_learner.engine.scheduler import Engine
from gradus_learner.engine.transformer import Weights
from gradus_learner.errors import BusyError, InputError, NotReadyError, StateError
from gradus_learner.models.config import ModelError
from gradus_learner.serve.epoch_fence import MAX_EXACT, EpochFence

_FINISH = {
    Finish.STOP: trajectory_pb2.FINISH_REASON_STOP,
    Finish.LENGTH: trajectory_pb2.FINISH_REASON_LENGTH,
    Finish.CONTEXT: trajectory_pb2.FINISH_REASON_CONTEXT,
    Finish.ABORTED: trajectory_pb2.FINISH_REASON_ABORTED,
}


# Versions grow by one with each step, and engines never go back: one out of reach would be the last. As in
# services/weights/check-version.ts.
LONGEST_JUMP = 2**32


class OldVersionError(NotReadyError):
    """A request needs newer weights than those that serve: they are on their way, or another engine has them."""

    retry_after_ms = 250


def sequence_digest(token_ids: list[int]) -> bytes:
    """SHA-256 over the ids as little-endian uint32."""
    return hashlib.sha256(np.asarray(token_ids, dtype="<u4").tobytes()).digest()


class EngineService:
    def __init__(
        self,
        engine: Engine,
        events: EngineEvents,
        model: str,
        parameters: int,
        weights_digest: str,
        read: Callable[[str, str], tuple[Weights, str]],
    ) -> None:
        """`read` builds weights from what lies at a location, and gives their digest: the one that it is asked for,
        unless that is empty. It blocks, and raises GradusError, ModelError or ValueError."""
        self._engine = engine
        self._events = events
        self._model = model
        self._parameters = parameters
        self._read = read
        self._loading = asyncio.Lock()
        # Of the version that serves, unless it is the one that the engine started with.
        self._weights_path = ""
        self._weights_digest = weights_digest
        self._fence = EpochFence()

    async def describe(self, _request: policy_pb2.DescribeRequest, _context: Any) -> policy_pb2.DescribeResponse:
        engine = self._engine
        return policy_pb2.DescribeResponse(
            model=self._model,
            parameters=self._parameters,
            max_context_tokens=engine.max_context,
            vocabulary_size=engine.config.vocab_size,
            tokenizer_hash=engine.vocabulary.hash,
            version=engine.version,
            running=engine.running,
            waiting=engine.waiting,
            engines=1,
            tokenizer_path=str(engine.vocabulary.path.resolve()),
            weights_path=self._weights_path,
            weights_digest=self._weights_digest,
            epoch=self._fence.highest,
            output=policy_pb2.ENGINE_OUTPUT_LOGPROBS,
            logprob_kind=trajectory_pb2.LOGPROB_KIND_TEMPERED,
            load=self._load(),
        )

    def _load(self) -> policy_pb2.EngineLoad:
        engine = self._engine
        return policy_pb2.EngineLoad(
            running=engine.running,
            waiting=engine.waiting,
            capacity=engine.max_running,
            kv_used_ratio=engine.kv_used_ratio,
            preemptions=engine.preemptions,
        )

    async def generate(self, message: policy_pb2.GenerateRequest, _context: Any) -> policy_pb2.GenerateResponse:
        engine = self._engine
        if engine.version < message.min_version:
            self._events.refused("old_version")
            raise OldVersionError(
                f"version {engine.version} serves, older than min_version {message.min_version}; load that first"
            )
        try:
            request = parse_request(message, engine.config.vocab_size, engine.max_context)
            turn = engine.submit(request)
        except InputError:
            self._events.refused("invalid")
            raise
        except BusyError:
            self._events.refused("queue_full")
            raise
        try:
            outcome = await asyncio.wrap_future(turn.future)
        except asyncio.CancelledError:
            engine.abort_turn(turn)
            raise
        return self._response(request, outcome)

    async def abort(self, message: policy_pb2.AbortRequest, _context: Any) -> policy_pb2.AbortResponse:
        if not message.request_id:
            raise InputError("request_id is empty; name the request to abort")
        return policy_pb2.AbortResponse(aborted=self._engine.abort(message.request_id))

    async def load_version(
        self, message: policy_pb2.LoadVersionRequest, _context: Any
    ) -> policy_pb2.LoadVersionResponse:
        engine = self._engine
        if message.version > min(engine.version + LONGEST_JUMP, MAX_EXACT):
            raise InputError(
                f"LoadVersion: version is {message.version}, and {engine.version} serves; "
                f"give one of at most {engine.version + LONGEST_JUMP}"
            )
        self._fence.admit(message.epoch)
        # One at a time, and to its end even if the caller gives up: a version is loaded or not.
        async with self._loading:
            if message.version == engine.version and not self._differs(message.weights_digest):
                return policy_pb2.LoadVersionResponse(version=engine.version)
            if message.version < engine.version:
                raise StateError(
                    f"version is {message.version}, but version {engine.version} serves already; versions only grow",
                )
            if not message.weights_path:
                raise InputError("weights_path is empty; name the directory that holds model.safetensors")
            started = time.perf_counter()
            try:
                weights, digest = await asyncio.to_thread(self._read, message.weights_path, message.weights_digest)
                carried = await asyncio.shield(asyncio.wrap_future(engine.load(weights, message.version)))
            except (ModelError, ValueError, OSError) as error:
                raise StateError(f"weights_path: {error}") from None
            self._weights_path = message.weights_path
            self._weights_digest = digest
            self._events.loaded(message.version, digest, carried, time.perf_counter() - started)
            return policy_pb2.LoadVersionResponse(version=message.version, carried_over=carried)

    def _differs(self, wanted: str) -> bool:
        """A step that was made again, elsewhere, may give other weights for the version that serves."""
        return wanted not in ("", self._weights_digest)

    def _response(self, request: Request, outcome: Outcome) -> policy_pb2.GenerateResponse:
        return policy_pb2.GenerateResponse(
            token_ids=outcome.token_ids,
            text=self._engine.vocabulary.decode(outcome.token_ids),
            logprobs=outcome.logprobs,
            logprob_kind=trajectory_pb2.LOGPROB_KIND_TEMPERED,
            finish_reason=_FINISH[outcome.finish],
            versions=trajectory_pb2.VersionSpan(first=outcome.first_version, last=outcome.last_version),
            sequence_digest=sequence_digest([*request.token_ids, *outcome.token_ids]),
            cached_tokens=outcome.cached_tokens,
            queue_ms=round(outcome.queue_seconds * 1000),
            generate_ms=round(outcome.generate_seconds * 1000),
            load=self._load(),
        )
