"""Questions of one and two hops over the real passages, for there are too few real questions to learn reading from.

Each blanks a span of a passage ("… is a tributary of the Limpopo River in what?"), asks which page says something, or
asks about the page that another page names. Real questions of the training split are added hop by hop. The rows have
MuSiQue's schema, whose ids know no single hop: a made row is called `2hop__made_…` whatever its hops.

    python make_rows.py --corpus corpus.jsonl --questions train.jsonl --seed 1 > rows.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Characters of a page that the environment shows.
VISIBLE = 480
SPAN = re.compile(r"[A-Z][\w'’-]+(?: (?:of |the |de |and )?[A-Z][\w'’-]+){0,4}|\b\d{4}\b|\b\d[\d,.]*\d\b")
PRONOUN = re.compile(
    r"^(?:It|He|She|They|This|The (?:film|song|album|book|novel|company|band|town|city|river|series)) "
)
MONTHS_AND_STARTS = {
    "The",
    "In",
    "He",
    "She",
    "It",
    "They",
    "This",
    "His",
    "Her",
    "Its",
    "At",
    "On",
    "As",
    "For",
    "A",
}


@dataclass(frozen=True)
class Page:
    title: str
    text: str

    @property
    def name(self) -> str:
        return re.sub(r" \([^)]*\)$", "", self.title)


@dataclass(frozen=True)
class Gap:
    """A sentence about `page`, cut before and after the span that somebody may ask for."""

    before: str
    answer: str
    after: str


def read_pages(path: Path) -> list[Page]:
    pages: list[Page] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            title, _, text = json.loads(line)["contents"].partition("\n")
            pages.append(Page(title, " ".join(text.split())))
    return pages


def sentences_of(page: Page) -> list[str]:
    parts = re.split(r"(?<=[.!?]) (?=[A-Z\"])", page.text[:VISIBLE])
    # The last one may be cut by the limit.
    whole = parts if len(page.text) <= VISIBLE else parts[:-1]
    return [part.rstrip(".!?") for part in whole if 30 <= len(part) <= 220]


def gaps_of(page: Page) -> list[Gap]:
    gaps: list[Gap] = []
    for sentence in sentences_of(page):
        said = PRONOUN.sub(f"{page.name} ", sentence)
        for found in SPAN.finditer(said):
            answer = found.group()
            known = answer in MONTHS_AND_STARTS or answer in page.name or page.name in answer
            if found.start() < 8 or known or len(answer) > 45:
                continue
            gaps.append(Gap(said[: found.start()].rstrip(), answer, said[found.end() :]))
    return gaps


def pick_gap(gaps: list[Gap], random_: random.Random) -> Gap:
    """Mostly names: years are so easily found that a policy would answer one to everything."""
    names = [gap for gap in gaps if not gap.answer[0].isdigit()]
    return random_.choice(names if names and random_.random() < 0.95 else gaps)


def cut_words(text: str, most: int, last: bool = False) -> str:
    words = text.split()
    return " ".join(words[-most:] if last else words[:most]).strip(" ,;:.\"'()")


def ask_gap(name: str, gap: Gap, random_: random.Random) -> str:
    """A question that holds `name`, sometimes first, sometimes last as in most real questions."""
    before, after = cut_words(gap.before, 9, last=True), cut_words(gap.after, 3)
    form = random_.random()
    if form < 0.4 and name in before:
        return f"{before} what{' ' + after if after else ''}?"
    if form < 0.4:
        return f"On the page {name}, {before} what?"
    words = cut_words(gap.before.replace(name, ""), random_.randint(2, 4), last=True)
    return random_.choice(
        [
            f"What comes after {words} on the page {name}?",
            f"What is {words} of {name}?",
            f"{words} what, for {name}?",
        ]
    )


def row(number: int, question: str, hops: list[tuple[str, Page, str]]) -> dict[str, Any]:
    pages = list(dict.fromkeys(page for _, page, _ in hops))
    return {
        "id": f"2hop__made_{number}",
        "paragraphs": [
            {
                "idx": index,
                "title": page.title,
                "paragraph_text": page.text,
                "is_supporting": True,
            }
            for index, page in enumerate(pages)
        ],
        "question": question,
        "question_decomposition": [
            {
                "id": index,
                "question": query,
                "answer": answer,
                "paragraph_support_idx": pages.index(page),
            }
            for index, (query, page, answer) in enumerate(hops)
        ],
        "answer": hops[-1][2],
        "answer_aliases": [],
        "answerable": True,
    }


def single_hops(pages: list[Page], random_: random.Random) -> Iterator[tuple[str, list[tuple[str, Page, str]]]]:
    for page in pages:
        gaps = gaps_of(page)
        if gaps and (random_.random() < 0.1 or any(not gap.answer[0].isdigit() for gap in gaps)):
            gap = pick_gap(gaps, random_)
            yield ask_gap(page.name, gap, random_), [(page.name, page, gap.answer)]


def which_page(pages: list[Page], random_: random.Random) -> Iterator[tuple[str, list[tuple[str, Page, str]]]]:
    for page in pages:
        sentences = [cut_words(PRONOUN.sub("", text.replace(page.name, "")), 12) for text in sentences_of(page)]
        sentences = [text for text in sentences if len(text.split()) >= 6]
        if sentences:
            text = random_.choice(sentences)
            words = text.split()
            start = random_.randrange(max(1, len(words) - 6))
            yield (
                f"Which page says: {text}?",
                [(" ".join(words[start : start + 7]), page, page.name)],
            )


def two_hops(pages: list[Page], random_: random.Random) -> Iterator[tuple[str, list[tuple[str, Page, str]]]]:
    by_name: dict[str, Page] = {}
    for page in pages:
        if len(page.name) >= 6:
            by_name.setdefault(page.name, page)
    for page in pages:
        links = [gap for gap in gaps_of(page) if gap.answer in by_name and by_name[gap.answer] is not page]
        if not links:
            continue
        link = random_.choice(links)
        target = by_name[link.answer]
        further = [gap for gap in gaps_of(target) if gap.answer not in page.name]
        if not further:
            continue
        gap = pick_gap(further, random_)
        words = cut_words(gap.before.replace(target.name, ""), random_.randint(2, 4), last=True)
        link_words = cut_words(link.before.replace(page.name, ""), random_.randint(1, 4), last=True)
        named = random_.choice([f"the one {link_words} {page.name}", f"{page.name}'s {link_words}"])
        question = random_.choice([f"What is {words} of {named}?", f"What comes after {words} for {named}?"])
        yield (
            question,
            [(page.name, page, target.name), (target.name, target, gap.answer)],
        )


def real_hops(path: Path) -> Iterator[tuple[str, list[tuple[str, Page, str]]]]:
    """Each hop of a real question as a question of its own."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            real = json.loads(line)
            paragraphs = {item["idx"]: Page(item["title"], item["paragraph_text"]) for item in real["paragraphs"]}
            answers: list[str] = []
            for step in real["question_decomposition"]:
                asked = step["question"]
                for number, answer in enumerate(answers, 1):
                    asked = asked.replace(f"#{number}", answer)
                answers.append(step["answer"])
                subject, arrow, relation = asked.partition(" >> ")
                question = f"What is the {relation} of {subject}?" if arrow else asked
                page = paragraphs[step["paragraph_support_idx"]]
                yield question, [(subject if arrow else asked, page, step["answer"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus",
        type=Path,
        required=True,
        help="JSONL of {id, contents: title, newline, text}",
    )
    parser.add_argument(
        "--questions",
        type=Path,
        required=True,
        help="the training split, MuSiQue's schema",
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random_ = random.Random(options.seed)
    pages = read_pages(options.corpus)
    third = random_.sample(pages, len(pages) // 3)
    made = [
        *single_hops(pages, random_),
        *which_page(third, random_),
        *[hop for _ in range(2) for hop in two_hops(pages, random_)],
        *[hop for _ in range(6) for hop in real_hops(options.questions)],
    ]
    random_.shuffle(made)
    for number, (question, hops) in enumerate(made):
        sys.stdout.write(json.dumps(row(number, question, hops), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
