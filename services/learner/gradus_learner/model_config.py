"""config.json of a model directory: Hugging Face's Qwen3 keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast


class ModelError(ValueError):
    """A model directory that is missing, incomplete or of another architecture."""


@dataclass(frozen=True)
class ModelConfig:
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
        for name in (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "max_position_embeddings",
        ):
            if getattr(self, name) <= 0:
                raise ModelError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.num_attention_heads % self.num_key_value_heads != 0:
            raise ModelError(
                f"num_attention_heads {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_dim % 2 != 0:
            raise ModelError(f"head_dim is {self.head_dim}; rotary embeddings need an even width")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "config.json") -> ModelConfig:
        """Read Hugging Face's keys; whatever would change the mathematics and is not built is refused by name."""
        if values.get("model_type", "qwen3") != "qwen3":
            raise ModelError(f"{where}: model_type is {values['model_type']!r}; only 'qwen3' is supported")
        if values.get("hidden_act", "silu") != "silu":
            raise ModelError(f"{where}: hidden_act is {values['hidden_act']!r}; only 'silu' is supported")
        if values.get("attention_bias") or values.get("use_sliding_window"):
            raise ModelError(f"{where}: attention_bias and use_sliding_window must be false")
        rope = cast("Mapping[str, Any]", values.get("rope_parameters") or values.get("rope_scaling") or {})
        if rope.get("rope_type", "default") != "default":
            raise ModelError(f"{where}: rope_type is {rope['rope_type']!r}; only 'default' is supported")
        required = (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
        )
        missing = [key for key in required if key not in values]
        if missing:
            raise ModelError(f"{where}: missing {', '.join(missing)}")
        heads = int(values["num_attention_heads"])
        eos = values.get("eos_token_id", 0)
        return cls(
            vocab_size=int(values["vocab_size"]),
            hidden_size=int(values["hidden_size"]),
            intermediate_size=int(values["intermediate_size"]),
            num_hidden_layers=int(values["num_hidden_layers"]),
            num_attention_heads=heads,
            num_key_value_heads=int(values.get("num_key_value_heads") or heads),
            head_dim=int(values.get("head_dim") or int(values["hidden_size"]) // heads),
            max_position_embeddings=int(values.get("max_position_embeddings", 4096)),
            rms_norm_eps=float(values.get("rms_norm_eps", 1e-6)),
            rope_theta=float(values.get("rope_theta") or rope.get("rope_theta", 10_000.0)),
            tie_word_embeddings=bool(values.get("tie_word_embeddings", False)),
            eos_token_id=int(eos[0] if isinstance(eos, list) else (eos or 0)),
        )

    @classmethod
    def from_directory(cls, directory: str | Path) -> ModelConfig:
        path = Path(directory) / "config.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"{path}: not found; a model directory holds config.json and model.safetensors") from None
        except json.JSONDecodeError as error:
            raise ModelError(f"{path}: not JSON: {error}") from None
        return cls.from_mapping(values, str(path))

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
