"""Makes this folder's sample out of MuSiQue's questions and a corpus of their paragraphs.

    python data/musique/make_sample.py --questions train.jsonl --corpus corpus.jsonl --passages 2400 --out data/musique

A question keeps the paragraphs that support it, with the numbers that they had; what else it was shown with is in the
corpus only: the supporting paragraphs of all questions, then the others of each in turn until there are enough.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")


def supports(paragraph: dict[str, Any]) -> bool:
    return bool(paragraph["is_supporting"])


def contents_of(paragraph: dict[str, Any]) -> str:
    return f"{paragraph['title']}\n{paragraph['paragraph_text']}"


def wanted(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield from (contents_of(each) for each in row["paragraphs"] if supports(each))
    others = [[contents_of(each) for each in row["paragraphs"] if not supports(each)] for row in rows]
    for nth in zip_longest(*others):
        yield from (contents for contents in nth if contents is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True, help="MuSiQue's schema, JSON lines")
    parser.add_argument("--corpus", type=Path, required=True, help="JSON lines of {id, contents: title, newline, text}")
    parser.add_argument("--passages", type=int, default=2400)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = read_lines(options.questions)
    known = {page["contents"]: page for page in read_lines(options.corpus)}
    kept: dict[str, dict[str, Any]] = {}
    for contents in wanted(rows):
        page = known.get(contents)
        if page is not None and len(kept) < options.passages:
            kept.setdefault(page["id"], page)
    write_lines(options.out / "corpus.jsonl", [kept[name] for name in sorted(kept)])
    sample = [{**row, "paragraphs": [each for each in row["paragraphs"] if supports(each)]} for row in rows]
    write_lines(options.out / "questions.jsonl", sample)


if __name__ == "__main__":
    main()
