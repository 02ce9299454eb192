"""The engine over gRPC while turns go on: they are cancelled, aborted, queued and carried over to new weights."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gradus.policy.v1 import policy_pb2
from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.models.dense import Dense
from gradus_learner.models.load import save_weights
from tests.engine.engine_process import Client, connect, launch, load, request
from tests.engine.tiny_engine import build_policy


def endless(request_id: str = "", seed: int = 0) -> Any:
    return request([1, 2, 3], request_id, max_new_tokens=100_000, seed=seed)


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


def endless_policy(vocabulary: Vocabulary, seed: int = 1) -> Dense:
    # One number of the residual stream is always the same, and the end token's logit is far below all others by it.
    from dataclasses import replace

    import torch

    end = vocabulary.size - 1
    tiny = build_policy(vocabulary.size, end, seed)
    policy = Dense(replace(tiny.config, max_position_embeddings=100_000))
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
    calls: list[Any] = []

    def is_full(state: Any) -> bool:
        # Also what is called endless ends with its context, and on a busy machine before the next one has come.
        calls[:] = [call for call in calls if not call.done()]
        calls.extend(patient.future(endless(seed=seed)) for seed in range(len(calls), 3))
        return state.running == 2 and state.waiting == 1

    patient.until(is_full)
    with pytest.raises(grpc.RpcError) as caught:
        patient.generate(endless())
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(error.trailing_metadata())["retry-after-ms"]) >= 50
    for call in calls:
        call.cancel()
    patient.until(lambda state: state.running + state.waiting == 0)


def test_a_version_loads_while_requests_are_in_flight(patient: Client, vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_weights(endless_policy(vocabulary, seed=2), tmp_path)
    call = patient.future(endless("carried"))
    patient.until(lambda state: state.running == 1)
    answer = load(patient, 3, tmp_path)
    assert (answer.version, answer.carried_over) == (3, 1)
    assert (patient.describe().version, patient.describe().weights_path) == (3, str(tmp_path))
    assert load(patient, 3, "anywhere", epoch=9).carried_over == 0
    assert patient.describe().epoch == 9
    for past in (7, 0):
        with pytest.raises(grpc.RpcError, match=f"epoch is {past}, but a coordinator of epoch 9 leads"):
            load(patient, 4, tmp_path, epoch=past)
    # A few tokens by the new weights, then an end.
    before = steps(patient)
    patient.until(lambda _: steps(patient) > before + 2)
    patient.call("Abort", policy_pb2.AbortRequest(request_id="carried"), policy_pb2.AbortResponse)
    versions = call.result().versions
    assert (versions.first, versions.last) == (0, 3)


def steps(client: Client) -> float:
    line = next(line for line in client.metrics().splitlines() if line.startswith("gradus_engine_steps_total"))
    return float(line.split()[-1])
