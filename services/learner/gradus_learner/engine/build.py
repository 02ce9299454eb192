"""From a model directory to a running engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import torch

from gradus_learner.engine.config import EngineConfig
from gradus_learner.engine.events import EngineEvents
from gradus_learner.engine.scheduler import Engine
from gradus_learner.engine.service import EngineService
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.engine.transformer import Weights, fuse
from gradus_learner.files.manifest import MANIFEST_NAME, digest_files, read_manifest, said, weights_digest
from gradus_learner.models.config import DecoderConfig, ModelError
from gradus_learner.models.declared_tensors import weight_files
from gradus_learner.models.load import load_policy, parameter_count
from gradus_learner.models.registry import Model, read_model
from gradus_learner.serve.artefacts import Artefacts
from gradus_learner.serve.config import ConfigError
from gradus_learner.serve.grpc_server import GrpcService
from gradus_learner.train.run_directory import check_path

# Memory that each parameter takes while a version is loaded.
LOADING: Mapping[str, int] = {"weights as read": 4, "fused weights": 4}


def read_weights(
    directory: Path, model: Model, context: int, device: str, expected: str = ""
) -> tuple[Weights, int, str]:
    """Fused weights, the number of parameters, the weights' digest. `directory` needs model.safetensors only.

    Raises ModelError for files that are not what the directory's manifest says, or another digest than `expected`.
    """
    digest = checked_digest(directory, expected)
    policy = load_policy(directory, device, model=model, bytes_each=LOADING)
    return fuse(policy, context), parameter_count(policy), digest


def checked_digest(directory: Path, expected: str) -> str:
    found = digest_files(directory, [path.name for path in weight_files(directory)])
    if (directory / MANIFEST_NAME).is_file():
        files = read_manifest(directory).files
        for name, digest in found.items():
            expected_file = files.get(name)
            if expected_file != digest:
                listed = said(None if expected_file is None else expected_file.sha256)
                raise ModelError(f"{directory / name}: expected {listed}, found {said(digest.sha256)}")
    digest = weights_digest(found)
    if expected and digest != expected:
        raise ModelError(f"{directory}: expected weights with digest {expected}, found {digest}")
    return digest


def read_vocabulary(directory: Path, config: DecoderConfig) -> Vocabulary:
    path = directory / "tokenizer.json"
    if not path.is_file():
        raise ConfigError(f"{path}: not found; a model directory holds tokenizer.json next to config.json")
    try:
        vocabulary = Vocabulary(path)
    except Exception as error:
        raise ConfigError(f"{path}: not a tokenizer: {error}") from None
    if vocabulary.size > config.vocab_size:
        raise ConfigError(
            f"{path} has {vocabulary.size} tokens, but config.json says vocab_size {config.vocab_size}; "
            "they belong to different models"
        )
    return vocabulary


def check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"device is {device!r}: {first_line}; use cpu") from None


async def build_engine(config: EngineConfig, service: GrpcService) -> None:
    torch.set_num_threads(config.threads)
    check_device(config.device)
    model = read_model(config.model)
    if config.max_context > model.config.max_position_embeddings:
        raise ConfigError(
            f"max_context is {config.max_context}, but the model was made for max_position_embeddings "
            f"{model.config.max_position_embeddings}; lower --max-context"
        )
    if 0 < config.kv_tokens < config.max_context:
        raise ConfigError(
            f"kv_tokens is {config.kv_tokens}, but one sequence may have max_context {config.max_context} tokens; "
            "raise --kv-tokens"
        )
    vocabulary = read_vocabulary(config.model, model.config)
    weights, parameters, digest = read_weights(config.model, model, config.max_context, config.device)
    events = EngineEvents(service.registry)
    events.serving_version(config.version)
    engine = Engine(
        weights,
        vocabulary,
        events,
        version=config.version,
        max_context=config.max_context,
        max_running=config.max_running,
        max_waiting=config.max_waiting,
        cache_bytes=config.cache_mebibytes * 2**20,
        prefill_tokens=config.prefill_tokens,
        kv_tokens=config.kv_tokens,
    )
    observe = events.observe
    observe("gradus_engine_running_requests", "Requests being generated.", lambda: engine.running)
    observe("gradus_engine_waiting_requests", "Requests in the queue.", lambda: engine.waiting)
    observe("gradus_engine_kv_used_ratio", "Share of kv_tokens that runs, 0..1.", lambda: engine.kv_used_ratio)
    observe("gradus_engine_cache_bytes", "Keys and values kept for sessions' next turns.", lambda: engine.cache_bytes)
    observe("gradus_engine_arena_bytes", "Keys and values of the running sequences.", lambda: engine.arena_bytes)

    artefacts = Artefacts(config, service.tls)
    last: list[Path] = []

    def read(location: str, expected: str) -> tuple[Weights, str]:
        directory = artefacts.fetch(location, expected)
        check_path("weights_path", directory, config.roots)
        weights, _, digest = read_weights(directory, model, config.max_context, config.device, expected)
        last[:] = [*last[-1:], directory]
        artefacts.keep_only(last)
        return weights, digest

    from gradus.policy.v1 import engine_service_pb2

    descriptor = engine_service_pb2.DESCRIPTOR.services_by_name["EngineService"]
    service.add(descriptor, EngineService(engine, events, config.model.resolve().name, parameters, digest, read))

    async def stop() -> None:
        await asyncio.to_thread(engine.stop)

    service.defer(stop)
    engine.start()
