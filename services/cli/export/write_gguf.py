"""Writes a model directory as a GGUF file: `write_gguf.py DIRECTORY FILE f32|f16|bf16`. Needs the package gguf alone.

Prints what a reader has to know as JSON: the tensors, and the name of the split that llama.cpp will use for text.
Exit codes: 2 a directory that cannot be written so (every problem on stderr), 3 the package is not there.
Format: the specification of ggml's repository (docs/gguf.md); names and layouts by gguf's own tables.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from gradus_learner.models.config import ModelError
from gradus_learner.models.config_readers import read_config
from gradus_learner.models.dense_config import DenseConfig

try:
    import gguf
    import numpy as np
    from gguf.utility import SafetensorsLocal
except ModuleNotFoundError as missing:
    print(f"No module named {missing.name!r}", file=sys.stderr)
    raise SystemExit(3) from None

# A part of the expression that cuts text before BPE, and the name that llama.cpp has for it.
SPLITS = {
    r"\p{L}\p{N}]?\p{L}+|\p{N}|": "qwen2",
    r"\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|": "llama-bpe",
}
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
}
QUANTIZATIONS = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
}


def main(directory: Path, out: Path, precision: str) -> int:
    try:
        named, config = read_config(directory)
        if not isinstance(config, DenseConfig):
            raise ModelError(f"{directory}: {named!r} is no dense decoder; others have no layout here")
        arch = next((each for each, name in gguf.MODEL_ARCH_NAMES.items() if name == named), None)
        if arch is None:
            raise ModelError(f"{directory}: gguf has no architecture {named!r}")
        if config.rope.rope_type == "llama3" and arch is not gguf.MODEL_ARCH.LLAMA:
            raise ModelError(f"{directory}: rope_type 'llama3' of {named!r}; llama.cpp reads it of 'llama' alone")
        tokenizer = read_tokenizer(directory)
        draft = out.with_name(f"{out.name}.draft")
        writer = gguf.GGUFWriter(draft, named)
        write_shape(writer, config, precision)
        split = write_tokenizer(writer, directory, tokenizer, config)
        written = write_tensors(writer, directory, arch, config, precision)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(draft, out)
    print(json.dumps({"tensors": written, "bytes": out.stat().st_size, "split": split}))
    return 0


def write_shape(writer: gguf.GGUFWriter, config: DenseConfig, precision: str) -> None:
    writer.add_name("gradus policy")
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(FILE_TYPES[precision])
    rope = config.rope
    writer.add_rope_freq_base(rope.theta)
    if rope.rope_type in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope.rope_type))
        writer.add_rope_scaling_factor(rope.factor)
    if rope.rope_type == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope.original_positions)


def read_tokenizer(directory: Path) -> dict[str, Any]:
    """tokenizer.json of byte-level BPE. Raises ModelError for another one."""
    path = directory / "tokenizer.json"
    try:
        tokenizer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None
    kind = tokenizer.get("model", {}).get("type")
    if kind != "BPE" or "ByteLevel" not in json.dumps(tokenizer.get("pre_tokenizer")):
        raise ModelError(f"{path}: a tokenizer of type {kind!r}; only BPE over bytes (ByteLevel) can be written")
    return tokenizer


def write_tokenizer(writer: gguf.GGUFWriter, directory: Path, tokenizer: dict[str, Any], config: DenseConfig) -> str:
    """The name of the split; empty where llama.cpp has none like it, and cuts text as GPT-2 does."""
    added = {each["id"]: each for each in tokenizer.get("added_tokens", [])}
    names = {index: text for text, index in tokenizer["model"]["vocab"].items()}
    tokens, types = [], []
    for index in range(config.vocab_size):
        token = added.get(index)
        if token is not None:
            tokens.append(token["content"])
            types.append(gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED)
        elif index in names:
            tokens.append(names[index])
            types.append(gguf.TokenType.NORMAL)
        else:
            tokens.append(f"[PAD{index}]")
            types.append(gguf.TokenType.UNUSED)
    merges = [each if isinstance(each, str) else " ".join(each) for each in tokenizer["model"]["merges"]]
    expression = json.dumps(tokenizer.get("pre_tokenizer"), ensure_ascii=False).replace("\\\\", "\\")
    split = next((name for part, name in SPLITS.items() if part in expression), "")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split or "gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(config.eos_token_ids[0])
    if len(config.eos_token_ids) > 1:
        writer.add_eot_token_id(config.eos_token_ids[1])
    writer.add_add_bos_token(False)
    template = directory / "chat_template.jinja"
    if template.exists():
        writer.add_chat_template(template.read_text(encoding="utf-8"))
    return split


def write_tensors(
    writer: gguf.GGUFWriter, directory: Path, arch: gguf.MODEL_ARCH, config: DenseConfig, precision: str
) -> int:
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    count = 0
    for file in sorted(directory.glob("*.safetensors")):
        for name, tensor in SafetensorsLocal(file).tensors.items():
            to = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if to is None:
                raise ModelError(f"{file}: gguf has no name for the tensor {name}")
            values = widened(tensor.mmap_bytes(), tensor.dtype, tensor.shape)
            values = in_rotary_order(values, name, arch, config)
            # Vectors stay whole, as llama.cpp computes with them.
            kind = QUANTIZATIONS["f32" if values.ndim == 1 else precision]
            writer.add_tensor(to, gguf.quantize(values, kind), raw_dtype=kind)
            count += 1
    if config.rope.rope_type == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(config))
    return count


def widened(raw: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Float32 of what a safetensors file has."""
    match dtype:
        case "F32":
            return raw.view(np.float32).reshape(shape)
        case "F16":
            return raw.view(np.float16).astype(np.float32).reshape(shape)
        case "BF16":
            return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    raise ModelError(f"tensors of {dtype} cannot be written; write them in F32, F16 or BF16 first")


def in_rotary_order(values: np.ndarray, name: str, arch: gguf.MODEL_ARCH, config: DenseConfig) -> np.ndarray:
    """GGUF's llama turns neighbouring numbers of a head, Hugging Face's its two halves."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if arch is not gguf.MODEL_ARCH.LLAMA or heads is None:
        return values
    halves = values.reshape(heads, 2, config.head_dim // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def llama3_divisors(config: DenseConfig) -> np.ndarray:
    """By how much each frequency is divided: formula of Llama 3.1's configuration."""
    rope = config.rope
    frequencies = rope.theta ** -(np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim)
    lengths = 2 * np.pi / frequencies
    low, high = rope.original_positions / rope.low_freq_factor, rope.original_positions / rope.high_freq_factor
    part = (rope.original_positions / lengths - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    between = 1 / ((1 - part) / rope.factor + part)
    return np.where(lengths < high, 1, np.where(lengths > low, rope.factor, between)).astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
