"""Exact match as reward files for verl have it: the last <answer> of the text against the gold answers."""

import re
import string

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def normalize(text):
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    found = ANSWER.findall(solution_str)
    if not found:
        return 0.0
    answer = normalize(found[-1])
    return {"score": float(any(answer == normalize(gold) for gold in ground_truth["target"])), "answer": answer}
