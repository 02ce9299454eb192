"""The keys of config.json that Qwen3 has, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from gradus_learner.models.config import ModelError

# Least and greatest; no published model comes near the latter, and a slip is found before memory is.
WHOLE_NUMBERS: dict[str, tuple[int, int]] = {
    "vocab_size": (1, 2**24),
    "hidden_size": (1, 2**18),
    "intermediate_size": (1, 2**20),
    "num_hidden_layers": (1, 1024),
    "num_attention_heads": (1, 4096),
    "num_key_value_heads": (1, 4096),
    "head_dim": (2, 8192),
    "max_position_embeddings": (1, 2**27),
    "eos_token_id": (0, 2**24 - 1),
}
REAL_NUMBERS: dict[str, tuple[float, float]] = {"rms_norm_eps": (1e-12, 0.1), "rope_theta": (1.0, 1e12)}


def shown(value: object) -> str:
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def config_problems(values: Mapping[str, object]) -> list[str]:
    """Each field that cannot be: its value, and what is allowed."""
    problems: list[str] = []
    sound: dict[str, int] = {}
    for name, (least, greatest) in WHOLE_NUMBERS.items():
        value = values[name]
        if isinstance(value, int) and is_whole(value) and least <= value <= greatest:
            sound[name] = value
        else:
            problems.append(f"{name} is {shown(value)}; it must be a whole number from {least} to {greatest}")
    for name, (low, high) in REAL_NUMBERS.items():
        value = values[name]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and low <= cast("float", value) <= high):
            problems.append(f"{name} is {shown(value)}; it must be a number from {low:g} to {high:g}")
    if not isinstance(values["tie_word_embeddings"], bool):
        problems.append(f"tie_word_embeddings is {shown(values['tie_word_embeddings'])}; it must be true or false")
    heads, groups = sound.get("num_attention_heads"), sound.get("num_key_value_heads")
    if heads is not None and groups is not None and heads % groups != 0:
        problems.append(f"num_attention_heads {heads} is not a multiple of num_key_value_heads {groups}")
    if sound.get("head_dim", 2) % 2 != 0:
        problems.append(f"head_dim is {sound['head_dim']}; rotary embeddings need an even width")
    vocabulary, eos = sound.get("vocab_size"), sound.get("eos_token_id")
    if vocabulary is not None and eos is not None and eos >= vocabulary:
        problems.append(f"eos_token_id is {eos}; it must be below vocab_size {vocabulary}")
    return problems


def rope_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    return cast("Mapping[str, Any]", rope) if isinstance(rope, dict) else {}


def architecture_problems(values: Mapping[str, Any]) -> list[str]:
    """What would change the mathematics and is not built."""
    problems: list[str] = []
    for key, only in (("model_type", "qwen3"), ("hidden_act", "silu")):
        if values.get(key, only) != only:
            problems.append(f"{key} is {shown(values[key])}; only {only!r} is supported")
    for key in ("attention_bias", "use_sliding_window"):
        if values.get(key, False) not in (False, None):
            problems.append(f"{key} is {shown(values[key])}; it must be false")
    for key in ("rope_parameters", "rope_scaling"):
        if not isinstance(values.get(key) or {}, dict):
            problems.append(f"{key} is {shown(values[key])}; it must hold keys and values")
    rope = rope_of(values)
    if rope.get("rope_type", "default") != "default":
        problems.append(f"rope_type is {shown(rope['rope_type'])}; only 'default' is supported")
    theta, other = values.get("rope_theta"), rope.get("rope_theta")
    if theta is not None and other is not None and theta != other:
        problems.append(f"rope_theta is {shown(theta)}, but rope_parameters says {shown(other)}; they must agree")
    return problems


@dataclass(frozen=True)
class Qwen3Config:
    """The keys of config.json that matter; names are Hugging Face's."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int = 4096
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    tie_word_embeddings: bool = True
    eos_token_id: int = 0

    def __post_init__(self) -> None:
        problems = config_problems(asdict(self))
        if problems:
            raise ModelError("; ".join(problems))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "config.json") -> Qwen3Config:
        """Read Hugging Face's keys; what would change the mathematics and is not built is refused by name.

        Raises ModelError with every problem at once.
        """
        required = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        missing = [key for key in required if key not in values]
        problems = architecture_problems(values)
        if missing:
            problems.append(f"missing {', '.join(missing)}")
            raise ModelError(f"{where}: {'; '.join(problems)}")
        heads, hidden = values["num_attention_heads"], values["hidden_size"]
        head_dim = values.get("head_dim")
        if head_dim is None:
            divides = is_whole(heads) and is_whole(hidden) and heads > 0 and hidden % heads == 0
            head_dim = hidden // heads if divides else 2
            if is_whole(heads) and is_whole(hidden) and not divides:
                problems.append(f"hidden_size is {hidden}; without head_dim it must be a multiple of {heads} heads")
        groups, eos = values.get("num_key_value_heads"), values.get("eos_token_id")
        fields: dict[str, Any] = {
            **{key: values[key] for key in required},
            "num_key_value_heads": heads if groups is None else groups,
            "head_dim": head_dim,
            "max_position_embeddings": values.get("max_position_embeddings", 4096),
            "rms_norm_eps": values.get("rms_norm_eps", 1e-6),
            "rope_theta": rope_of(values).get("rope_theta", values.get("rope_theta", 10_000.0)),
            "tie_word_embeddings": values.get("tie_word_embeddings", False),
            "eos_token_id": eos[0] if isinstance(eos, list) and eos else 0 if eos is None else eos,
        }
        problems += config_problems(fields)
        if problems:
            raise ModelError(f"{where}: {'; '.join(problems)}")
        return cls(**fields)

    def to_json(self) -> str:
        values = {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            **asdict(self),
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "use_sliding_window": False,
            "dtype": "float32",
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"
