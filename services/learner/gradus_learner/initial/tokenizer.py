"""Trainer of the nano tokenizer: byte-level BPE in Hugging Face's tokenizer.json, read alike by Python and JavaScript.

Two choices make copying, the skill that the search task stands on, easy for a tiny model:

- A word has the same token wherever it stands. A section (the text between two added tokens) and a line that start
  with a letter get a space in front, so `<answer>Halvard` and `born to Halvard` both hold ` Halvard`. Decoding keeps
  that space; anyone who reads a tool's argument or an answer trims it.
- Every word of `words` is one token, whatever its frequency (`ignore_merges`: a piece that is in the vocabulary is
  taken whole). Anything else still has tokens, down to single bytes.
- Digits go in pairs, without a leading space, so an id looks the same in a list and in a call.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from gradus_learner.files.atomic import write_durably

END_TOKEN = "<|end|>"
# The pieces of the search environment's XML format; each is one token.
FORMAT_TOKENS: tuple[str, ...] = (
    "<tool>",
    "</tool>",
    "<result>",
    "</result>",
    "<answer>",
    "</answer>",
    '{"name": "',
    '", "args": {"',
    '": "',
    '"}}',
)

# Classes spelled out rather than \s, whose members differ between Oniguruma and JavaScript.
SPACE = r"\t\n\x0b\x0c\r \p{Z}"
# Contractions, words with the space before them, digits in pairs, punctuation, white space.
PIECES = (
    rf"'(?:[sdmt]|ll|ve|re)(?!\p{{L}})| ?[\p{{L}}\p{{M}}]+|\p{{N}}{{1,2}}| ?[^{SPACE}\p{{L}}\p{{M}}\p{{N}}]+"
    rf"|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+"
)

# How the byte-level alphabet writes a space.
SPACED = "\u0120"
# Keys of a JSONL row that hold text; `segments` of a demonstration hold more.
TEXT_KEYS = ("title", "text", "contents", "question", "answer", "prompt", "response")


class TokenizerError(ValueError):
    """Input from which the tokenizer cannot be made."""


def empty_tokenizer(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Prepend(" "),
            # The space just put in front goes again unless a letter follows.
            normalizers.Replace(Regex(r"(?<![\s\S]) (?!\p{L})"), ""),
            normalizers.Replace(Regex(r"\n(?=\p{L})"), "\n "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def add_tokens(tokenizer: Tokenizer, whole: Sequence[str]) -> None:
    tokenizer.add_special_tokens([AddedToken(END_TOKEN, special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in whole])


def sections(texts: Iterable[str], whole: Sequence[str]) -> Iterator[str]:
    """Cut texts at the added tokens, longest first, as the tokenizer will."""
    import re

    added = sorted((END_TOKEN, *whole), key=len, reverse=True)
    cut = re.compile("|".join(re.escape(token) for token in added))
    for text in texts:
        yield from (section for section in cut.split(text) if section)


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str], whole: Sequence[str]) -> Counter[str]:
    """Occurrences of pre-token pieces, in the byte-level alphabet."""
    counts: Counter[str] = Counter()
    normalise, split = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
    for section in sections(texts, whole):
        counts.update(piece for piece, _ in split(normalise(section)))
    return counts


def train_tokenizer(
    texts: Sequence[str], words: Sequence[str], vocabulary: int, added: Sequence[str] = FORMAT_TOKENS
) -> Tokenizer:
    """A tokenizer of at most `vocabulary` tokens in which every word of `words` and each of `added` is one token.

    Deterministic: the same texts in the same order give the same file.
    """
    empty = empty_tokenizer(models.BPE())
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    whole = [f"{number:02d}" for number in range(100)] if words else []
    pieces = count_pieces(empty, words, added)
    named = {piece for piece in pieces if any(letter.isalpha() for letter in piece_text(piece))}
    # A word seen only after a quote or bracket needs its usual form, with the space, too.
    whole += sorted(named | {SPACED + piece for piece in named if piece_text(piece)[0].isalpha()})
    wanted: dict[str, None] = dict.fromkeys([*alphabet, *whole])
    limit = vocabulary - len(added) - 1
    if len(wanted) > limit:
        raise TokenizerError(
            f"--vocabulary {vocabulary} is too small for {len(whole)} whole words; give at least "
            f"{len(wanted) + len(added) + 1}"
        )
    merges: list[tuple[str, str]] = []
    for left, right in learn_merges(texts, alphabet, limit, added):
        if len(wanted) == limit and left + right not in wanted:
            break
        wanted.setdefault(left + right)
        merges.append((left, right))
    tokenizer = empty_tokenizer(
        models.BPE({piece: index for index, piece in enumerate(wanted)}, merges, ignore_merges=True)
    )
    add_tokens(tokenizer, added)
    return tokenizer


def learn_merges(texts: Sequence[str], alphabet: list[str], size: int, added: Sequence[str]) -> list[tuple[str, str]]:
    tokenizer = empty_tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, len(alphabet)),
        min_frequency=2,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(sections(texts, added), trainer)
    raw: list[Any] = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in (item.split(" ") if isinstance(item, str) else item for item in raw)]


def piece_text(piece: str) -> str:
    return decoders.ByteLevel().decode([piece])


def read_texts(path: Path) -> list[str]:
    """The text of a file: every string of a JSONL row that is meant to be read, or the whole of any other file."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{path}: cannot be read as text: {error}") from None
    if path.suffix != ".jsonl":
        return [content]
    texts: list[str] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TokenizerError(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise TokenizerError(f"{path}:{number}: holds {type(row).__name__}; each line must be an object")
        texts += [row[key] for key in TEXT_KEYS if isinstance(row.get(key), str)]
        texts += [segment["text"] for segment in row.get("segments", [])]
    return texts


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m gradus_learner.initial.tokenizer", description="Train the nano tokenizer from text files."
    )
    parser.add_argument("--text", nargs="+", type=Path, required=True, help="plain text or JSONL to learn pieces from")
    parser.add_argument("--words-from", nargs="*", type=Path, default=[], help="files whose every word gets a token")
    parser.add_argument("--vocabulary", type=int, required=True, help="most tokens, added ones included")
    parser.add_argument(
        "--no-format", action="store_true", help="without the tokens of the search environment's format"
    )
    parser.add_argument("--out", type=Path, required=True, help="the tokenizer.json to write")
    options = parser.parse_args(argv)
    try:
        texts = [text for path in options.text for text in read_texts(path)]
        words = [text for path in options.words_from for text in read_texts(path)]
        tokenizer = train_tokenizer(texts, words, options.vocabulary, () if options.no_format else FORMAT_TOKENS)
    except TokenizerError as error:
        print(f"tokenizer: {error}", file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_durably(options.out, lambda path: tokenizer.save(str(path)))
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts[:2000]))
    characters = sum(len(text) for text in texts[:2000])
    print(
        json.dumps(
            {"vocabulary": tokenizer.get_vocab_size(), "charactersPerToken": round(characters / max(tokens, 1), 3)}
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
