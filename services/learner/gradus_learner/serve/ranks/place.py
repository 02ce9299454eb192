"""Which of a learner's processes this one is, by the variables that torchrun sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradus_learner.serve.config import ConfigError

NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
MOST_RANKS = 1024


@dataclass(frozen=True)
class Place:
    rank: int
    size: int
    # Among the ranks of this machine.
    local_rank: int
    # Where all ranks meet.
    address: str
    port: int
    # torchrun's agent listens there; else rank 0 does.
    agent_listens: bool
    # How often the agent has started the ranks again.
    attempt: int


def read_place(env: Mapping[str, str]) -> Place | None:
    """None for a process that is alone. Raises ConfigError that names the variable, its value and the fix."""
    given = [name for name in NAMES if env.get(name)]
    if not given:
        return None
    missing = [name for name in NAMES if name not in given]
    if missing:
        raise ConfigError(
            f"{', '.join(given)} set and {', '.join(missing)} missing in the environment; start ranks with torchrun, "
            "which sets all of them, or unset them for a learner of one process"
        )
    size = whole(env, "WORLD_SIZE", 1, MOST_RANKS)
    rank = whole(env, "RANK", 0, size - 1)
    port = whole(env, "MASTER_PORT", 1, 65_535)
    local_rank = whole(env, "LOCAL_RANK", 0, size - 1) if env.get("LOCAL_RANK") else rank
    attempt = whole(env, "TORCHELASTIC_RESTART_COUNT", 0, 2**31) if env.get("TORCHELASTIC_RESTART_COUNT") else 0
    if size == 1:
        return None
    listens = env.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return Place(rank, size, local_rank, env["MASTER_ADDR"], port, listens, attempt)


def whole(env: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = env[name]
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ConfigError(f"{name} is {text!r} in the environment; it must be a whole number from {least} to {most}")
    return int(text)


def device_of(device: str, place: Place) -> str:
    """`cuda` is the GPU of this rank's place on its machine."""
    return f"cuda:{place.local_rank}" if device == "cuda" else device
