"""The engine over gRPC: what it answers, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import signal
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.models.dense import Dense
from tests.engine.engine_process import Client, connect, launch, load, request
from tests.engine.tiny_engine import largest_difference, reference_logprobs


@pytest.fixture(scope="module")
def client(model_directory: Path) -> Generator[Client]:
    process = launch(model_directory, "--max-context", "400", "--max-running", "2", "--max-waiting", "2")
    client = connect(process)
    yield client
    client.channel.close()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert all(json.loads(line)["service"] == "engine" for line in stderr.splitlines())


def test_it_describes_itself_is_healthy_and_shows_metrics(client: Client, model_directory: Path) -> None:
    description = client.describe()
    assert client.ready["service"] == "engine"
    assert description.max_context_tokens == 400
    tokenizer = model_directory / "tokenizer.json"
    assert description.tokenizer_hash == hashlib.sha256(tokenizer.read_bytes()).hexdigest()
    assert description.tokenizer_path == str(tokenizer.resolve())
    assert description.parameters > 0
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    health = stub.Check(health_pb2.HealthCheckRequest(service="gradus.policy.v1.EngineService"))
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    for name in ("running_requests", "waiting_requests", "cache_bytes", "steps_total", "cached_tokens_total"):
        assert f"gradus_engine_{name}" in client.metrics()


def test_p4_tokens_logprobs_text_and_digest_belong_together(
    client: Client, policy: Dense, vocabulary: Vocabulary
) -> None:
    """P4: the digest covers exactly the prompt's and the generated ids."""
    answer = client.generate(request([5, 6, 7], seed=2))
    generated = list(answer.token_ids)
    assert answer.text == vocabulary.decode(generated)
    assert answer.logprob_kind == trajectory_pb2.LOGPROB_KIND_TEMPERED
    assert (
        answer.sequence_digest == hashlib.sha256(struct.pack(f"<{3 + len(generated)}I", 5, 6, 7, *generated)).digest()
    )
    expected = reference_logprobs(policy, [5, 6, 7], generated)
    assert largest_difference(list(answer.logprobs), expected) < 1e-4
    next_turn = client.generate(request([5, 6, 7, *generated, 9], seed=3))
    assert next_turn.cached_tokens == 3 + len(generated) - 1


def with_form(message: Any) -> Any:
    message.form.kind = 1
    return message


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request([]), "token_ids is empty"),
        (request([1, 99_999]), r"token_ids\[1\] is 99999"),
        (request([1] * 401), "over the engine's maximum of 400"),
        (request([1], context=500), "context_tokens is 500"),
        (request([1], max_new_tokens=0), "max_new_tokens is 0"),
        (request([1], temperature=-0.1), "temperature is -0.1"),
        (request([1], temperature=float("nan")), "temperature is nan"),
        (request([1], top_p=1.5), "top_p is 1.5"),
        (request([1], stop=[""]), "empty string"),
        (request([1], stop=["x"] * 17), "17 strings"),
        (with_form(request([1])), "form is set, and the built-in engine samples freely"),
    ],
)
def test_a_bad_request_is_refused_by_field_and_value(client: Client, bad: Any, words: str) -> None:
    with pytest.raises(grpc.RpcError, match=words) as caught:
        client.generate(bad)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # pyright: ignore[reportAttributeAccessIssue]


def test_p5_a_request_that_needs_newer_weights_is_sent_away_for_the_time_being(client: Client) -> None:
    message = request([1, 2])
    message.min_version = 5
    with pytest.raises(grpc.RpcError, match="older than min_version 5") as refused:
        client.generate(message)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE  # pyright: ignore[reportAttributeAccessIssue]
    message.min_version = 0
    load = client.generate(message).load
    assert (load.capacity, load.preemptions) == (2, 0)
    assert 0 <= load.kv_used_ratio <= 1


def test_a_version_that_cannot_be_loaded_changes_nothing(client: Client, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    for path, words in ((tmp_path / "absent", "no model.safetensors"), (tmp_path, "not a whole safetensors file")):
        with pytest.raises(grpc.RpcError, match=words):
            load(client, 7, path)
    with pytest.raises(grpc.RpcError, match="weights_path is empty"):
        load(client, 7, "")
    assert client.describe().version == 0
    assert client.generate(request([1, 2])).versions.last == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-context", "9999"), "max_position_embeddings"),
        (("--max-contxt", "99"), "did you mean --max-context"),
        (("--device", "nonsense"), "device"),
        (("--max-context", "400", "--kv-tokens", "100"), "raise --kv-tokens"),
        (("--max-context", "400", "--grpc", "0.0.0.0:0"), "insecure-remote"),
    ],
)
def test_bad_configuration_ends_the_process_with_one_clear_line(
    model_directory: Path, flags: tuple[str, ...], words: str
) -> None:
    process = launch(model_directory, *flags)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 2
    assert stdout == ""
    assert words in stderr
    assert "Traceback" not in stderr
