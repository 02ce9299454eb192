"""Answer metrics written down a second time, from their definitions, to compare the TypeScript ones with.

Reads lines of JSON ``[prediction, gold]`` and answers each with
``[normalised prediction, exact match, musique f1, squad f1, hotpotqa f1, hotpotqa precision, hotpotqa recall]``.
Lines ``[prediction, gold, predicted facts, gold facts]``, facts being pairs of title and number, get HotpotQA's
exact_match, f1, precision and recall of the facts, the same of answer and facts together, and MuSiQue's f1 of the
facts.
Standard library only.
"""

import json
import re
import string
import sys
from collections import Counter

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(?:the|an|a)\b")
CLOSED = {"yes", "no", "noanswer"}


def words_of(text: str) -> list[str]:
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def score(prediction: str, gold: str) -> list[object]:
    said, wanted = words_of(prediction), words_of(gold)
    same = said == wanted
    shared = (Counter(said) & Counter(wanted)).total()
    precision = shared / len(said) if shared else 0.0
    recall = shared / len(wanted) if shared else 0.0
    f1 = 2 * shared / (len(said) + len(wanted)) if shared else 0.0
    musique = f1 if said and wanted else float(same)
    closed = not same and (" ".join(said) in CLOSED or " ".join(wanted) in CLOSED)
    hotpot = [0.0, 0.0, 0.0] if closed else [f1, precision, recall]
    return [" ".join(said), int(same), musique, f1, *hotpot]


def harmonic(precision: float, recall: float) -> float:
    return 2 / (1 / precision + 1 / recall) if precision and recall else 0.0


def score_facts(prediction: str, gold: str, said: list[list[object]], wanted: list[list[object]]) -> list[object]:
    left, right = {tuple(fact) for fact in said}, {tuple(fact) for fact in wanted}
    precision = len(left & right) / len(left) if left else 0.0
    recall = len(left & right) / len(right) if right else 0.0
    f1 = harmonic(precision, recall)
    _, exact_match, _, _, _, answer_precision, answer_recall = score(prediction, gold)
    both = (answer_precision * precision, answer_recall * recall)
    return [
        *(int(left == right), f1, precision, recall),
        *(exact_match * int(left == right), harmonic(*both), *both),
        f1 if left or right else 1.0,
    ]


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        row = json.loads(line)
        print(json.dumps(score(*row) if len(row) == 2 else score_facts(*row)))
