"""The engine as a process, over gRPC."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gradus.policy.v1 import policy_pb2
from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.models.load import save_weights
from gradus_learner.models.qwen3 import Qwen3
from tests.engine.tiny_engine import build_policy, largest_difference, reference_logprobs

LEARNER = Path(__file__).parents[2]
DEADLINE_SECONDS = 120


@dataclass
class Client:
    process: subprocess.Popen[str]
    ready: dict[str, str]
    channel: grpc.Channel

    def method(self, name: str, response: type[Message]) -> grpc.UnaryUnaryMultiCallable[Any, Any]:
        return self.channel.unary_unary(
            f"/gradus.policy.v1.EngineService/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def call(self, name: str, request: Message, response: type[Message]) -> Any:
        return self.method(name, response)(request, timeout=DEADLINE_SECONDS)

    def describe(self) -> Any:
        return self.call("Describe", policy_pb2.DescribeRequest(), policy_pb2.DescribeResponse)

    def generate(self, request: policy_pb2.GenerateRequest) -> Any:
        return self.call("Generate", request, policy_pb2.GenerateResponse)

    def future(self, request: policy_pb2.GenerateRequest) -> Any:
        return self.method("Generate", policy_pb2.GenerateResponse).future(request, timeout=DEADLINE_SECONDS)

    def until(self, holds: Callable[[Any], bool]) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while not holds(self.describe()):
            assert time.monotonic() < end, "the engine never got there"

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.ready['metrics']}/metrics", timeout=60) as response:
            return response.read().decode()


def launch(directory: Path, *flags: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(LEARNER), str(LEARNER / "../../proto/gen/python")])
    return subprocess.Popen(
        [sys.executable, "-m", "gradus_learner.engine", "--model", str(directory), "--threads", "1", *flags],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def connect(process: subprocess.Popen[str]) -> Client:
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    return Client(process, ready, grpc.insecure_channel(ready["grpc"]))


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


def request(token_ids: list[int], request_id: str = "", context: int = 0, **sampling: Any) -> Any:
    settings: dict[str, Any] = {"temperature": 1.0, "max_new_tokens": 6, **sampling}
    return policy_pb2.GenerateRequest(
        request_id=request_id,
        session_id="session",
        token_ids=token_ids,
        sampling=trajectory_pb2.Sampling(**settings),
        context_tokens=context,
    )


def endless(request_id: str = "", seed: int = 0) -> Any:
    return request([1, 2, 3], request_id, max_new_tokens=100_000, seed=seed)


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
    client: Client, policy: Qwen3, vocabulary: Vocabulary
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
    ],
)
def test_a_bad_request_is_refused_by_field_and_value(client: Client, bad: Any, words: str) -> None:
    with pytest.raises(grpc.RpcError, match=words) as caught:
        client.generate(bad)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(scope="module")
def patient(
    tmp_path_factory: pytest.TempPathFactory, model_directory: Path, vocabulary: Vocabulary
) -> Generator[Client]:
    """An engine whose turns go on until they are stopped: no end token, a long context."""
    directory = tmp_path_factory.mktemp("patient")
    (directory / "tokenizer.json").write_bytes((model_directory / "tokenizer.json").read_bytes())
    save_weights(endless_policy(vocabulary), directory)
    flags = ("--max-context", "100000", "--max-running", "2", "--max-waiting", "1", "--drain-ms", "100")
    process = launch(directory, *flags)
    client = connect(process)
    yield client
    client.channel.close()
    process.terminate()
    process.communicate(timeout=120)


def endless_policy(vocabulary: Vocabulary, seed: int = 1) -> Qwen3:
    # One number of the residual stream is always the same, and the end token's logit is far below all others by it.
    from dataclasses import replace

    import torch

    end = vocabulary.size - 1
    tiny = build_policy(vocabulary.size, end, seed)
    policy = Qwen3(replace(tiny.config, max_position_embeddings=100_000))
    policy.load_state_dict(tiny.state_dict())
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter[0] = 0
        table = policy.model.embed_tokens.weight
        table[:, 0] = 1
        table[end] = 0
        table[end, 0] = -1e6
    return policy


def test_cancelling_the_call_frees_the_engine(patient: Client) -> None:
    call = patient.future(endless())
    patient.until(lambda state: state.running == 1)
    call.cancel()
    patient.until(lambda state: state.running == 0)


def test_abort_returns_what_was_sampled(patient: Client) -> None:
    call = patient.future(endless("long"))
    patient.until(lambda state: state.running == 1)
    abort = policy_pb2.AbortRequest(request_id="long")
    assert patient.call("Abort", abort, policy_pb2.AbortResponse).aborted
    answer = call.result()
    assert answer.finish_reason == trajectory_pb2.FINISH_REASON_ABORTED
    assert len(answer.token_ids) == len(answer.logprobs) > 0
    assert not patient.call("Abort", abort, policy_pb2.AbortResponse).aborted


def test_p6_a_full_queue_refuses_with_a_time_to_come_back(patient: Client) -> None:
    """P6: no queue grows with the number of rollouts."""
    calls = [patient.future(endless(seed=i)) for i in range(2)]
    patient.until(lambda state: state.running == 2)
    calls.append(patient.future(endless(seed=2)))
    patient.until(lambda state: state.waiting == 1)
    with pytest.raises(grpc.RpcError) as caught:
        patient.generate(endless())
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(error.trailing_metadata())["retry-after-ms"]) >= 50
    for call in calls:
        call.cancel()
    patient.until(lambda state: state.running + state.waiting == 0)


def load(client: Client, version: int, path: Path | str, epoch: int = 0) -> Any:
    message = policy_pb2.LoadVersionRequest(version=version, weights_path=str(path), epoch=epoch)
    return client.call("LoadVersion", message, policy_pb2.LoadVersionResponse)


def test_a_version_loads_while_requests_are_in_flight(patient: Client, vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_weights(endless_policy(vocabulary, seed=2), tmp_path)
    call = patient.future(endless("carried"))
    patient.until(lambda state: state.running == 1)
    answer = load(patient, 3, tmp_path)
    assert (answer.version, answer.carried_over) == (3, 1)
    assert (patient.describe().version, patient.describe().weights_path) == (3, str(tmp_path))
    assert load(patient, 3, "anywhere", epoch=9).carried_over == 0
    with pytest.raises(grpc.RpcError, match="epoch is 7, but a coordinator of epoch 9 leads"):
        load(patient, 4, tmp_path, epoch=7)
    # A few tokens by the new weights, then an end.
    before = steps(patient)
    patient.until(lambda _: steps(patient) > before + 2)
    patient.call("Abort", policy_pb2.AbortRequest(request_id="carried"), policy_pb2.AbortResponse)
    versions = call.result().versions
    assert (versions.first, versions.last) == (0, 3)


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


def steps(client: Client) -> float:
    line = next(line for line in client.metrics().splitlines() if line.startswith("gradus_engine_steps_total"))
    return float(line.split()[-1])


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
        (("--max-context", "400", "--grpc", "0.0.0.0:0"), "allow-remote"),
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
