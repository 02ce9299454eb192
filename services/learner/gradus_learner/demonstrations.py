"""Demonstrations and plain text as token arrays: tokenised once, in parallel, and cached.

A demonstration's segments are tokenised one by one, as they are when a rollout grows: the prompt once, each
environment text once, each model turn as it was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gradus_learner.model_files import write_durably

# Who wrote a token; the loss weight is looked up by this.
PROMPT, MODEL, ENVIRONMENT, TEXT = 0, 1, 2, 3
KINDS = {"prompt": PROMPT, "model": MODEL, "environment": ENVIRONMENT, "text": TEXT}
FORMAT = "1"
ROWS_AT_ONCE = 4096


class DemonstrationError(ValueError):
    """A row that is not a demonstration; the message names file, line and field."""


@dataclass(frozen=True)
class TokenSet:
    """Sequences laid end to end: sequence i is `ids[offsets[i]:offsets[i + 1]]`."""

    ids: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    # Sequences left out because they are longer than the limit.
    too_long: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)


def load_token_set(paths: Sequence[Path], tokenizer_path: Path, max_tokens: int, cache: Path | None) -> TokenSet:
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    parts = [load_one(path, tokenizer, tokenizer_path, max_tokens, cache) for path in paths]
    offsets = [np.zeros(1, np.int64)]
    base = 0
    for part in parts:
        offsets.append(part.offsets[1:] + base)
        base += int(part.offsets[-1])
    return TokenSet(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate(offsets),
        sum(part.too_long for part in parts),
    )


def load_one(path: Path, tokenizer: Tokenizer, tokenizer_path: Path, max_tokens: int, cache: Path | None) -> TokenSet:
    if not path.is_file():
        raise DemonstrationError(f"{path}: not found")
    cached = None
    if cache is not None:
        digest = hashlib.sha256(f"{FORMAT} {max_tokens}".encode())
        for file in (tokenizer_path, path):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        cached = cache / f"tokens-{digest.hexdigest()[:24]}.npz"
        if cached.is_file():
            with np.load(cached) as arrays:
                return TokenSet(arrays["ids"], arrays["kinds"], arrays["offsets"], int(arrays["too_long"]))
    made = tokenise(path, tokenizer, max_tokens)
    if cached is not None:
        cached.parent.mkdir(parents=True, exist_ok=True)

        def save(target: Path) -> None:
            with target.open("wb") as file:
                np.savez(file, ids=made.ids, kinds=made.kinds, offsets=made.offsets, too_long=made.too_long)

        write_durably(cached, save)
    return made


def tokenise(path: Path, tokenizer: Tokenizer, max_tokens: int) -> TokenSet:
    ids: list[NDArray[np.int32]] = []
    kinds: list[NDArray[np.uint8]] = []
    lengths: list[int] = []
    too_long = 0
    block: list[list[tuple[int, str]]] = []

    def flush() -> int:
        encodings = iter(tokenizer.encode_batch_fast([text for row in block for _, text in row]))
        skipped = 0
        for row in block:
            pieces = [(kind, next(encodings).ids) for kind, _ in row]
            row_ids = np.array([token for _, piece in pieces for token in piece], np.int32)
            row_kinds = np.repeat(np.array([kind for kind, _ in pieces], np.uint8), [len(piece) for _, piece in pieces])
            # Plain text is cut at the limit and goes on in the next sequence; a demonstration is whole or absent.
            if len(row_ids) > max_tokens and row[0][0] != TEXT:
                skipped += 1
                continue
            for start in range(0, len(row_ids), max_tokens):
                ids.append(row_ids[start : start + max_tokens])
                kinds.append(row_kinds[start : start + max_tokens])
                lengths.append(len(ids[-1]))
        block.clear()
        return skipped

    for row in read_rows(path):
        block.append(row)
        if len(block) == ROWS_AT_ONCE:
            too_long += flush()
    too_long += flush()
    if not lengths:
        raise DemonstrationError(
            f"{path}: no sequence of at most {max_tokens} tokens; raise max_tokens or check the file"
        )
    return TokenSet(
        np.concatenate(ids), np.concatenate(kinds), np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), too_long
    )


def read_rows(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Rows `{"segments": [{"kind", "text"}]}` or `{"text"}` of JSONL; paragraphs of any other file."""
    with path.open(encoding="utf-8") as file:
        if path.suffix != ".jsonl":
            for paragraph in file.read().split("\n\n"):
                if paragraph.strip():
                    yield [(TEXT, paragraph)]
            return
        for number, line in enumerate(file, 1):
            if line.strip():
                yield parse_row(line, f"{path}:{number}")


def parse_row(line: str, where: str) -> list[tuple[int, str]]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DemonstrationError(f"{where}: not JSON: {error}") from None
    if isinstance(row, dict) and isinstance(row.get("text"), str):
        title = row.get("title")
        return [(TEXT, f"{title}\n{row['text']}" if isinstance(title, str) else row["text"])]
    segments: Any = row.get("segments") if isinstance(row, dict) else None
    if not isinstance(segments, list) or not segments:
        raise DemonstrationError(f"{where}: field segments: must be a list of {{kind, text}} that is not empty")
    parsed: list[tuple[int, str]] = []
    for index, segment in enumerate(segments):
        kind: Any = segment.get("kind") if isinstance(segment, dict) else None
        if kind not in KINDS:
            raise DemonstrationError(
                f"{where}: field segments[{index}].kind: {kind!r} is not one of {', '.join(KINDS)}"
            )
        if not isinstance(segment.get("text"), str):
            raise DemonstrationError(f"{where}: field segments[{index}].text: must be text")
        parsed.append((KINDS[kind], segment["text"]))
    return parsed
