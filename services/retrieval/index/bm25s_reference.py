"""BM25 by bm25s, for bm25s.test.ts: reads passages and queries as lists of words, gives the k best of each query."""

import json
import sys

import bm25s


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    index = bm25s.BM25(method="lucene", k1=asked["k1"], b=asked["b"])
    index.index(asked["passages"], show_progress=False)
    answers = []
    for query in asked["queries"]:
        found, scores = index.retrieve([query], k=asked["k"], show_progress=False)
        answers.append({"passages": found[0].tolist(), "scores": scores[0].tolist()})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
