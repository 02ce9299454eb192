"""config.json of the dense decoders: families that differ in where they normalise and which projections have a bias."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradus_learner.models.config import ModelError
from gradus_learner.models.config_values import is_number, is_whole, shown
from gradus_learner.models.rope import Rope, read_rope


@dataclass(frozen=True)
class Family:
    """What one `model_type` of config.json fixes. Each is a file."""

    model_type: str
    # The class of transformers that loads it.
    architecture: str
    # Queries and keys are normalised, a head at a time.
    qk_norm: bool
    # The projections of queries, keys and values have a bias.
    qkv_bias: bool
    # Keys that must have this value where they are given, and are written.
    fixed: Mapping[str, object]


# Least and greatest; no published model comes near the latter, and a slip is found before memory is.
WHOLE_NUMBERS: Mapping[str, tuple[int, int]] = {
    "vocab_size": (1, 2**24),
    "hidden_size": (1, 2**18),
    "intermediate_size": (1, 2**20),
    "num_hidden_layers": (1, 1024),
    "num_attention_heads": (1, 4096),
    "num_key_value_heads": (1, 4096),
    "head_dim": (2, 8192),
    "max_position_embeddings": (1, 2**27),
}
REQUIRED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
GREATEST_TOKEN = 2**24 - 1

# Who wrote the file, how text is drawn and weights were first set: no number of a forward pass.
BESIDE_THE_MODEL = {
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "bos_token_id",
    "dtype",
    "initializer_range",
    "max_window_layers",
    "pad_token_id",
    "pretraining_tp",
    "sliding_window",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
READ = {
    *WHOLE_NUMBERS,
    "eos_token_id",
    "layer_types",
    "model_type",
    "original_max_position_embeddings",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "tie_word_embeddings",
}


@dataclass(frozen=True)
class DenseConfig:
    """The keys of config.json that matter; names are Hugging Face's."""

    family: Family
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int = 4096
    rms_norm_eps: float = 1e-6
    rope: Rope = field(default_factory=Rope)
    tie_word_embeddings: bool = True
    # Any of them ends a turn; the first is what a chat template writes.
    eos_token_ids: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        problems = config_problems({name: getattr(self, name) for name in self.__dataclass_fields__})
        if problems:
            raise ModelError("; ".join(problems))

    @classmethod
    def from_mapping(cls, family: Family, values: Mapping[str, Any], where: str = "config.json") -> DenseConfig:
        """Read Hugging Face's keys; what would change the mathematics and is not built is refused by name.

        Raises ModelError with every problem at once.
        """
        missing = [key for key in REQUIRED if key not in values]
        problems = unbuilt_parts(family, values)
        if missing:
            problems.append(f"missing {', '.join(missing)}")
            raise ModelError(f"{where}: {'; '.join(problems)}")
        heads, groups = values["num_attention_heads"], values.get("num_key_value_heads")
        fields: dict[str, Any] = {
            **{key: values[key] for key in REQUIRED},
            "num_key_value_heads": heads if groups is None else groups,
            "head_dim": head_width(values, problems),
            "max_position_embeddings": values.get("max_position_embeddings", 4096),
            "rms_norm_eps": values.get("rms_norm_eps", 1e-6),
            "rope": read_rope(values, problems),
            "tie_word_embeddings": values.get("tie_word_embeddings", False),
            "eos_token_ids": end_tokens(values.get("eos_token_id")),
        }
        problems += config_problems(fields)
        if problems:
            raise ModelError(f"{where}: {'; '.join(problems)}")
        return cls(family, **fields)

    @property
    def tied_names(self) -> tuple[str, ...]:
        return ("lm_head.weight",) if self.tie_word_embeddings else ()

    def to_json(self, dtype: str = "float32") -> str:
        ends = self.eos_token_ids
        values = {
            "architectures": [self.family.architecture],
            "model_type": self.family.model_type,
            **{name: getattr(self, name) for name in WHOLE_NUMBERS},
            "rms_norm_eps": self.rms_norm_eps,
            "tie_word_embeddings": self.tie_word_embeddings,
            "eos_token_id": ends[0] if len(ends) == 1 else list(ends),
            "rope_theta": self.rope.theta,
            "rope_parameters": self.rope.to_values(),
            "attention_dropout": 0.0,
            "dtype": dtype,
            **self.family.fixed,
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"


def config_problems(values: Mapping[str, Any]) -> list[str]:
    """Each field that cannot be: its value, and what is allowed."""
    problems: list[str] = []
    sound: dict[str, int] = {}
    for name, (least, greatest) in WHOLE_NUMBERS.items():
        value = values[name]
        if is_whole(value) and least <= value <= greatest:
            sound[name] = value
        else:
            problems.append(f"{name} is {shown(value)}; it must be a whole number from {least} to {greatest}")
    if not is_number(values["rms_norm_eps"], 1e-12, 0.1):
        problems.append(f"rms_norm_eps is {shown(values['rms_norm_eps'])}; it must be a number from 1e-12 to 0.1")
    if not isinstance(values["tie_word_embeddings"], bool):
        problems.append(f"tie_word_embeddings is {shown(values['tie_word_embeddings'])}; it must be true or false")
    heads, groups = sound.get("num_attention_heads"), sound.get("num_key_value_heads")
    if heads is not None and groups is not None and heads % groups != 0:
        problems.append(f"num_attention_heads {heads} is not a multiple of num_key_value_heads {groups}")
    if sound.get("head_dim", 2) % 2 != 0:
        problems.append(f"head_dim is {sound['head_dim']}; rotary embeddings need an even width")
    return problems + end_token_problems(values["eos_token_ids"], sound.get("vocab_size"))


def end_token_problems(ends: Sequence[object], vocabulary: int | None) -> list[str]:
    problems: list[str] = []
    for end in ends:
        if not is_whole(end) or not 0 <= end <= GREATEST_TOKEN:
            problems.append(f"eos_token_id is {shown(end)}; it must be a whole number from 0 to {GREATEST_TOKEN}")
        elif vocabulary is not None and end >= vocabulary:
            problems.append(f"eos_token_id is {end}; it must be below vocab_size {vocabulary}")
    return problems


def end_tokens(said: object) -> tuple[Any, ...]:
    """One id, a list of them, or none."""
    if isinstance(said, list) and said:
        return tuple(said)
    return (0,) if said is None or said == [] else (said,)


def head_width(values: Mapping[str, Any], problems: list[str]) -> Any:
    said, heads, hidden = values.get("head_dim"), values["num_attention_heads"], values["hidden_size"]
    if said is not None:
        return said
    if not (is_whole(heads) and is_whole(hidden)):
        return 2
    if heads > 0 and hidden % heads == 0:
        return hidden // heads
    problems.append(f"hidden_size is {hidden}; without head_dim it must be a multiple of {heads} heads")
    return 2


def unbuilt_parts(family: Family, values: Mapping[str, Any]) -> list[str]:
    """What would change the mathematics and is not built."""
    problems: list[str] = []
    if values.get("model_type", family.model_type) != family.model_type:
        problems.append(f"model_type is {shown(values['model_type'])}; it must be {family.model_type!r}")
    for key, only in family.fixed.items():
        given = values.get(key)
        if given is not None and given != only:
            problems.append(f"{key} is {shown(given)}; only {shown(only)} is supported")
    layers = values.get("layer_types")
    if layers is not None and (not isinstance(layers, list) or any(each != "full_attention" for each in layers)):
        problems.append(f"layer_types is {shown(layers)}; only 'full_attention' in every layer is supported")
    for key in sorted(set(values) - READ - BESIDE_THE_MODEL - set(family.fixed)):
        if values[key] is not None and values[key] is not False:
            problems.append(
                f"{key} is {shown(values[key])}; it is not a key of {family.model_type} that is built here; remove "
                "it if it changes nothing in the forward pass"
            )
    return problems
