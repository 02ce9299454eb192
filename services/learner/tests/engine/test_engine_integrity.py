"""Weights that the engine does not load: other bytes than were written, other places, versions that cannot be."""

from __future__ import annotations

import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from safetensors.torch import load_file, save_file

from gradus.policy.v1 import policy_pb2
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.files.manifest import MANIFEST_NAME, Manifest, digest_files, weights_digest
from gradus_learner.models.dense import Dense
from gradus_learner.models.load import save_weights
from tests.engine.engine_process import Client, connect, launch
from tests.engine.tiny_engine import build_policy

FAILED = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def engine(model_directory: Path, root: Path) -> Generator[Client]:
    process = launch(model_directory, "--max-context", "160", "--roots", f"{root},{model_directory}")
    client = connect(process)
    yield client
    client.channel.close()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)


def policy_of(vocabulary: Vocabulary, seed: int) -> Dense:
    return build_policy(vocabulary.size, vocabulary.size - 1, seed)


def version_directory(directory: Path, policy: Dense) -> str:
    """As a learner writes it; its digest."""
    save_weights(policy, directory)
    files = digest_files(directory, ["config.json", "model.safetensors"])
    (directory / MANIFEST_NAME).write_text(Manifest("version", "r", 1, files).to_json())
    return weights_digest(files)


def load(client: Client, version: int, path: Path, digest: str = "", epoch: int = 0) -> Any:
    message = policy_pb2.LoadVersionRequest(version=version, weights_path=str(path), weights_digest=digest, epoch=epoch)
    return client.call("LoadVersion", message, policy_pb2.LoadVersionResponse)


def refused(client: Client, code: grpc.StatusCode, text: str, *arguments: Any, **named: Any) -> None:
    before = client.describe()
    with pytest.raises(grpc.RpcError) as raised:
        load(client, *arguments, **named)
    error: Any = raised.value
    assert error.code() is code, error.details()
    assert text in error.details()
    after = client.describe()
    assert (after.version, after.weights_digest) == (before.version, before.weights_digest)


def test_weights_are_loaded_only_with_the_digest_that_was_asked_for(
    engine: Client, root: Path, model_directory: Path, vocabulary: Vocabulary
) -> None:
    assert engine.describe().weights_digest == weights_digest(digest_files(model_directory, ["model.safetensors"]))
    digest = version_directory(root / "1", policy_of(vocabulary, 2))
    refused(engine, FAILED, f"expected weights with digest {'0' * 64}, found {digest}", 1, root / "1", digest="0" * 64)
    assert load(engine, 1, root / "1", digest=digest).version == 1
    assert engine.describe().weights_digest == digest
    # The same version from a step that was made again elsewhere: the weights that are asked for serve.
    again = version_directory(root / "1b", policy_of(vocabulary, 3))
    load(engine, 1, root / "1b", digest=again)
    described = engine.describe()
    assert (described.version, described.weights_digest, described.weights_path) == (1, again, str(root / "1b"))


def test_a_bit_that_flipped_since_the_weights_were_written_is_found(
    engine: Client, root: Path, vocabulary: Vocabulary
) -> None:
    version_directory(root / "flipped", policy_of(vocabulary, 2))
    file = root / "flipped" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    refused(engine, FAILED, f"{file}: expected SHA-256 ", 2**30, root / "flipped")
    (root / "flipped" / MANIFEST_NAME).write_text('{"format": ')
    refused(engine, FAILED, "manifest.json is cut or damaged", 2**30, root / "flipped")


def test_weights_that_are_not_finite_are_refused_with_the_tensors_name(
    engine: Client, root: Path, vocabulary: Vocabulary
) -> None:
    save_weights(policy_of(vocabulary, 2), root / "nan")
    file = root / "nan" / "model.safetensors"
    save_file({**load_file(file), "model.norm.weight": torch.full((32,), float("nan"))}, file)
    refused(engine, FAILED, "model.norm.weight holds 32 of 32 values that are not finite", 2**30, root / "nan")


def test_paths_outside_of_the_roots_are_refused(
    engine: Client, root: Path, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    save_weights(policy_of(vocabulary, 2), tmp_path)
    denied = grpc.StatusCode.PERMISSION_DENIED
    refused(engine, denied, "lies outside of", 2**30, tmp_path)
    refused(engine, denied, "lies outside of", 2**30, root / ".." / tmp_path.name)
    refused(engine, grpc.StatusCode.INVALID_ARGUMENT, "must be an absolute path", 2**30, Path("versions/000001"))


def test_versions_and_epochs_that_cannot_be_are_refused(engine: Client, root: Path, vocabulary: Vocabulary) -> None:
    save_weights(policy_of(vocabulary, 2), root / "plain")
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    refused(engine, invalid, "version is 9007199254740993, and", 2**53 + 1, root / "plain")
    refused(engine, invalid, "epoch is 18446744073709551615; it must be at most", 5, root / "plain", epoch=2**64 - 1)
