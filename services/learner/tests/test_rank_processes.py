from __future__ import annotations

import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from rank_processes import MOST_SECONDS, started
from test_learner_service import same_weights
from tiny_learner import (
    SHAPES,
    LearnerClient,
    model_directory,
    packed,
    policy_gradient,
    random_policy,
    scenario,
    trajectory,
)

from gradus_learner.models.load import load_policy
from gradus_learner.serve.ranks.links import Peer, likely_loss

# Of several lengths: micro-batches of a budget of tokens have different numbers of sequences.
TRAJECTORIES = [packed(trajectory(SHAPES[seed % len(SHAPES)], seed, random_policy())) for seed in range(8)]
OBJECTIVE = policy_gradient(learning_rate=1e-2, kl_coefficient=0.1)


def weights(directory: str | Path) -> torch.Tensor:
    return torch.cat([each.detach().reshape(-1) for each in load_policy(directory).parameters()])


def distance(left: str | Path, right: str | Path) -> float:
    return float((weights(left) - weights(right)).norm() / weights(right).norm())


def options(step: int) -> dict[str, Any]:
    return {"objective": OBJECTIVE, "checkpoint": True, "set_reference": step == 1}


def train(folder: Path, model: Path, steps: range) -> Path:
    """Over two ranks; the version of the last step."""
    with started(2, folder) as processes:
        client = processes.client
        assert client.open(folder / "run", model, resume=steps.start > 1).step == steps.start - 1
        for step in steps:
            client.step(step, TRAJECTORIES, **options(step))
    assert processes.wait() == [0, 0]
    return version(folder, steps[-1])


def train_alone(folder: Path, model: Path, steps: range) -> Path:
    async def body(client: LearnerClient) -> None:
        assert (await client.open(folder / "run", model, resume=steps.start > 1)).step == steps.start - 1
        for step in steps:
            await client.step(step, TRAJECTORIES, **options(step))

    scenario(body)
    return version(folder, steps[-1])


def version(folder: Path, step: int) -> Path:
    return folder / "run" / "versions" / f"{step:06d}"


def test_a_run_of_two_ranks_goes_on_over_one_and_the_reverse(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    uninterrupted = train(tmp_path / "two", model, range(1, 5))
    whole = train_alone(tmp_path / "one", model, range(1, 5))
    assert distance(uninterrupted, whole) < 1e-5

    train_alone(tmp_path / "1-2", model, range(1, 3))
    assert distance(train(tmp_path / "1-2", model, range(3, 5)), whole) < 1e-5
    train(tmp_path / "2-2", model, range(1, 3))
    shutil.copytree(tmp_path / "2-2", tmp_path / "2-1")
    assert distance(train_alone(tmp_path / "2-1", model, range(3, 5)), whole) < 1e-5
    # Over as many ranks as before: to the bit.
    assert same_weights(train(tmp_path / "2-2", model, range(3, 5)), uninterrupted)


# Of many updates, so that it does not end before it is met in its middle.
LONG = policy_gradient(learning_rate=1e-4, epochs=64, updates_per_epoch=4)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGKILL, "has ended"), (signal.SIGSTOP, "has not answered for")],
)
def test_p10_a_step_ends_with_the_number_of_a_rank_that_dies_or_is_stopped_and_the_run_resumes(
    tmp_path: Path, number: signal.Signals, expected: str
) -> None:
    model = model_directory(tmp_path / "model")
    folder = tmp_path / "ranks"
    with started(2, folder, "--rank-silence-ms", "3000", "--log-level", "debug") as processes:
        client, lost = processes.client, processes.ranks[1]
        client.open(folder / "run", model)
        client.step(1, TRAJECTORIES, **options(1))
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.step, 2, TRAJECTORIES, objective=LONG)
            while (folder / "rank-1.log").read_text().count('"call": "SharedStep"') < 2:
                time.sleep(0.05)
            lost.send_signal(number)
            error: Any = answer.exception()
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert f"rank 1 (process {lost.pid}) {expected}" in error.details()
        assert processes.ranks[0].wait(MOST_SECONDS) == 1
        # One that is stopped takes nothing else.
        lost.kill()
    with started(2, folder) as processes:
        assert processes.client.open(folder / "run", model, resume=True).step == 1
        assert processes.client.step(2, TRAJECTORIES, objective=LONG).applied


def test_p10_ranks_that_wait_between_steps_end_with_rank_0(tmp_path: Path) -> None:
    with started(2, tmp_path / "ranks") as processes:
        processes.ranks[0].kill()
        assert processes.ranks[1].wait(MOST_SECONDS) == 1
    assert f"rank 0 (process {processes.ranks[0].pid}) has ended" in (tmp_path / "ranks" / "rank-1.log").read_text()


def test_a_rank_that_never_comes_to_an_exchange_is_named_though_it_lives() -> None:
    here, there = socket.socketpair(), socket.socketpair()
    peers = [Peer(1, 11, here[0], exchanges=7), Peer(2, 22, there[0], exchanges=8)]
    assert likely_loss(peers, 8, "timed out") == (
        "rank 1 (process 11) did not come to exchange 8, where the others wait (timed out)"
    )
    assert likely_loss([Peer(1, 11, here[0], exchanges=8, words="KeyError: 3")], 8, "closed") == (
        "rank 1 (process 11) failed: KeyError: 3"
    )
    for pair in (here, there):
        for end in pair:
            end.close()
