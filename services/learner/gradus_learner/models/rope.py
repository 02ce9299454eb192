"""Rotary position embeddings as config.json says them: which frequencies, and how they were stretched for longer texts.

Loads no torch. `rotary` computes the tables. Formulas: RoPE (arXiv 2104.09864), linear (2306.15595), YaRN (2309.00071),
and the one of Llama 3.1's configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gradus_learner.models.config_values import is_number, is_whole, shown

# Each type's own keys: what must be there and what may be, with the least value of each.
REQUIRED: Mapping[str, Mapping[str, float]] = {
    "default": {},
    "linear": {"factor": 1.0},
    "llama3": {"factor": 1.0, "low_freq_factor": 1e-3, "high_freq_factor": 1e-3},
    "yarn": {"factor": 1.0},
}
OPTIONAL: Mapping[str, Mapping[str, float]] = {
    "default": {},
    "linear": {},
    "llama3": {},
    "yarn": {"attention_factor": 1e-3, "beta_fast": 1e-3, "beta_slow": 1e-3},
}
GREATEST = 1e12


@dataclass(frozen=True)
class Rope:
    """A field that the type does not have keeps its default."""

    rope_type: str = "default"
    theta: float = 10_000.0
    factor: float = 1.0
    # Of the texts that the model was first made for, in tokens.
    original_positions: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    # By which cosine and sine are multiplied.
    attention_factor: float = 1.0

    def to_values(self) -> dict[str, Any]:
        """As `rope_parameters` of config.json."""
        values: dict[str, Any] = {"rope_type": self.rope_type, "rope_theta": self.theta}
        for name in (*REQUIRED[self.rope_type], *OPTIONAL[self.rope_type]):
            values[name] = getattr(self, name)
        if self.original_positions:
            values["original_max_position_embeddings"] = self.original_positions
        return values


def read_rope(values: Mapping[str, Any], problems: list[str]) -> Rope:
    """Of the keys of a config.json, older ones too; what cannot be is added to `problems`."""
    said = parameters_of(values, problems)
    theta = theta_of(values, said, problems)
    named = said.get("rope_type", said.get("type", "default"))
    if not isinstance(named, str) or named not in REQUIRED:
        problems.append(f"rope_type is {shown(named)}; supported: {', '.join(REQUIRED)}")
        return Rope(theta=theta)
    numbers = numbers_of(said, named, problems)
    original = original_positions(said, values, named, problems)
    known = {"rope_type", "type", "rope_theta", "original_max_position_embeddings", *REQUIRED[named], *OPTIONAL[named]}
    for key in sorted(set(said) - known):
        if said[key] is not None and not (key == "truncate" and said[key] is True):
            problems.append(f"{key} is {shown(said[key])}; rope_type {named!r} is built without it, remove it")
    if named == "yarn":
        numbers.setdefault("attention_factor", 0.1 * math.log(max(1.0, numbers.get("factor", 1.0))) + 1.0)
    if named == "llama3" and numbers.get("high_freq_factor", 2.0) <= numbers.get("low_freq_factor", 1.0):
        problems.append("high_freq_factor must be greater than low_freq_factor")
    return Rope(named, theta, original_positions=original, **numbers)


def parameters_of(values: Mapping[str, Any], problems: list[str]) -> Mapping[str, Any]:
    for key in ("rope_parameters", "rope_scaling"):
        if not isinstance(values.get(key) or {}, dict):
            problems.append(f"{key} is {shown(values[key])}; it must hold keys and values")
    said = values.get("rope_parameters") or values.get("rope_scaling") or {}
    return cast("Mapping[str, Any]", said) if isinstance(said, dict) else {}


def theta_of(values: Mapping[str, Any], said: Mapping[str, Any], problems: list[str]) -> float:
    outer, inner = values.get("rope_theta"), said.get("rope_theta")
    if outer is not None and inner is not None and outer != inner:
        problems.append(f"rope_theta is {shown(outer)}, but rope_parameters says {shown(inner)}; they must agree")
    theta = inner if inner is not None else 10_000.0 if outer is None else outer
    if not is_number(theta, 1.0, GREATEST):
        problems.append(f"rope_theta is {shown(theta)}; it must be a number from 1 to {GREATEST:g}")
        return 10_000.0
    return float(theta)


def numbers_of(said: Mapping[str, Any], named: str, problems: list[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for key, least in {**REQUIRED[named], **OPTIONAL[named]}.items():
        value = said.get(key)
        if value is None and key in OPTIONAL[named]:
            continue
        if is_number(value, least, GREATEST):
            numbers[key] = float(value)
        else:
            problems.append(f"{key} is {shown(value)}; rope_type {named!r} needs a number from {least:g}")
    return numbers


def original_positions(said: Mapping[str, Any], values: Mapping[str, Any], named: str, problems: list[str]) -> int:
    """What YaRN and Llama 3 stretch; `max_position_embeddings` where nothing is said."""
    if named not in ("llama3", "yarn"):
        return 0
    for key, value in (
        ("original_max_position_embeddings", said.get("original_max_position_embeddings")),
        ("original_max_position_embeddings", values.get("original_max_position_embeddings")),
        ("max_position_embeddings", values.get("max_position_embeddings", 4096)),
    ):
        if value is None:
            continue
        if is_whole(value) and value >= 1:
            return int(value)
        problems.append(f"{key} is {shown(value)}; it must be a whole number of tokens")
        return 0
    return 0
