"""The library of recipes/tools as an environment in Python: finds pages by words, shows one, takes an answer."""

import json
import re
from pathlib import Path

PAGES = [json.loads(line) for line in (Path(__file__).parent / "../tools/pages.jsonl").read_text().splitlines()]


def words(text):
    return set(re.findall(r"\w+", text.lower()))


def websearch(query):
    asked = words(query)
    scores = [2 * len(asked & words(page["title"])) + len(asked & words(page["text"])) for page in PAGES]
    best = sorted(range(len(PAGES)), key=lambda index: -scores[index])[:2]
    hits = [PAGES[index] for index in best if scores[index] > 0]
    return "\n".join(f"[{page['id']}] {page['title']}: {page['text'][:150]}" for page in hits) or "error: nothing found"


def scrape(id):
    found = [f"{page['title']}: {page['text']}" for page in PAGES if page["id"] == id.strip()]
    return found[0] if found else "error: no page has this id"


TOOLS = {"websearch": websearch, "scrape": scrape}


class Library:
    def __init__(self, forgiven=2):
        self.forgiven = forgiven

    def reset(self, row):
        self.mistakes = 0
        return row["data"]["question"]

    def step(self, text):
        """What the policy wrote, without the tag at its end."""
        if "<answer>" in text:
            return "", True, None, {"prediction": text.split("<answer>")[-1].strip(), "mistakes": self.mistakes}
        try:
            call = json.loads(text.split("<tool>", 1)[1])
            result = TOOLS[call["name"].strip()](**{name.strip(): value for name, value in call["args"].items()})
        except (IndexError, KeyError, ValueError, TypeError, AttributeError):
            self.mistakes += 1
            result = "error: write one tool call or one answer"
        over = self.mistakes > self.forgiven
        return f"<result> {result} </result>", over, None, {"mistakes": self.mistakes}
