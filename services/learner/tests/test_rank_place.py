from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from gradus_learner.serve.config import ConfigError, LearnerConfig
from gradus_learner.serve.ranks.group import check_address, listen
from gradus_learner.serve.ranks.place import Place, device_of, read_place

ENV = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
PLACE = Place(1, 4, 1, "127.0.0.1", 29_500, False, 0)


def test_the_place_of_a_rank_is_what_torchrun_says() -> None:
    assert read_place({}) is None
    assert read_place({**ENV, "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}) is None
    assert read_place(ENV) == PLACE
    agent = {**ENV, "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2"}
    assert read_place(agent) == replace(PLACE, agent_listens=True, attempt=2)
    assert [device_of(device, PLACE) for device in ("cpu", "cuda", "cuda:3")] == ["cpu", "cuda:1", "cuda:3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"WORLD_SIZE": ""}, "WORLD_SIZE missing in the environment; start ranks with torchrun"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two' in the environment; it must be a whole number from 1 to 1024"),
        ({"RANK": "4"}, "RANK is '4' in the environment; it must be a whole number from 0 to 3"),
        ({"RANK": "-1"}, "RANK is '-1'"),
        ({"MASTER_PORT": "0"}, "MASTER_PORT is '0' in the environment; it must be a whole number from 1 to 65535"),
    ],
)
def test_a_place_that_cannot_be_is_refused_by_its_variable(change: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_place({**ENV, **change})


def test_ranks_meet_beyond_loopback_only_where_the_network_is_said_to_be_trusted() -> None:
    beyond = replace(PLACE, address="192.0.2.1")
    with pytest.raises(ConfigError, match=r"MASTER_ADDR is '192\.0\.2\.1', which is reachable .*--insecure-remote"):
        check_address(beyond, LearnerConfig())
    assert check_address(beyond, LearnerConfig(insecure_remote=True)) == "192.0.2.1"
    assert check_address(PLACE, LearnerConfig()) == "127.0.0.1"


def test_a_port_in_use_is_named_by_its_variable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"MASTER_PORT is {port}: .*choose another"):
            listen("127.0.0.1", port)
