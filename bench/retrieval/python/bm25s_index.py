"""BM25 over a corpus with bm25s, set as Gradus is: Lucene's formula, all words, no stems, top k sorted."""

import json
import re
from dataclasses import dataclass

import bm25s

# An apostrophe or a dot between letters does not end a word (UAX #29).
WORD = re.compile("\\w+(?:['\u2019.]\\w+)*")


@dataclass(frozen=True)
class Passage:
    id: str
    contents: str


def read_passages(path: str) -> list[Passage]:
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Passage(str(row["id"]), row["contents"] if "contents" in row else f"{row['title']}\n{row['text']}")
        for row in rows
    ]


def words_of(text: str) -> list[str]:
    return WORD.findall(text.lower())


def build(passages: list[Passage], backend: str, k1: float, b: float) -> bm25s.BM25:
    retriever = bm25s.BM25(method="lucene", k1=k1, b=b, backend=backend)
    vocabulary: dict[str, int] = {}
    ids = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in words_of(passage.contents)] for passage in passages
    ]
    retriever.index(bm25s.tokenization.Tokenized(ids=ids, vocab=vocabulary), show_progress=False)
    if backend == "numba":
        retriever.activate_numba_scorer()
    return retriever


def search(retriever: bm25s.BM25, queries: list[str], k: int, threads: int = 0) -> tuple:
    """Positions and scores, [queries, k], best first."""
    tokens = [words_of(query) for query in queries]
    return retriever.retrieve(tokens, k=k, sorted=True, show_progress=False, n_threads=threads)
