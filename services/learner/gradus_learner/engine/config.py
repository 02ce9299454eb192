"""Configuration of the engine service; torch is not imported before it is parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gradus_learner.serve.config import ServiceConfig


class EngineConfig(ServiceConfig):
    model: Annotated[
        Path,
        Field(
            description="Directory with config.json, tokenizer.json and model.safetensors or its shards.",
            examples=["policies/nano"],
        ),
    ]
    version: Annotated[int, Field(ge=0, description="Policy version of the weights in `model`.")] = 0
    max_context: Annotated[int, Field(ge=2, description="Longest sequence, in tokens; sizes the key-value arena.")] = (
        1024
    )
    max_running: Annotated[int, Field(ge=1, le=4096, description="Most sequences decoded at once.")] = 256
    max_waiting: Annotated[
        int, Field(ge=0, description="Most requests in the queue; beyond it they are refused with RESOURCE_EXHAUSTED.")
    ] = 2048
    kv_tokens: Annotated[
        int,
        Field(
            ge=0,
            description="Most tokens whose keys and values running requests hold, at least max_context; beyond it the "
            "one that came last goes back in line. 0: as many as max_running sequences of max_context.",
        ),
    ] = 0
    cache_mebibytes: Annotated[
        int,
        Field(ge=0, description="Budget for keys and values of finished turns, kept for the session's next; 0 is off."),
    ] = 512
    prefill_tokens: Annotated[
        int, Field(ge=16, description="Most prompt tokens computed between two decode steps, and in one pass.")
    ] = 2048
