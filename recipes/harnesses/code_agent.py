"""A code agent: each turn of the model is a thought and Python, which is run, and the model reads what it printed.

The loop and the conventions are those of smolagents' CodeAgent (https://github.com/huggingface/smolagents), without the
package: variables live on from turn to turn, tools are functions, and `final_answer(...)` ends the episode. It needs
Python's standard library alone.

Environment variables: OPENAI_BASE_URL and OPENAI_API_KEY (the session, from Gradus), GRADUS_RESULT_FILE, and
SEARCH_URL, a server with Menlo's HTTP API (`gradus serve retrieval --http HOST:PORT`). Stdin: one line of JSON with
`data.question`.

The model's code runs within this process, with bounds of time and memory below those of Gradus: the model reads that it
went over them. Where that cannot be, the process ends, which is the model's fault (`failed_exit: malformed_turn`). The
code may import a few modules of calculation and reach no attribute that begins with an underscore; that keeps slips
away, and is no wall against an attacker.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import faulthandler
import io
import json
import os
import re
import resource
import signal
import sys
import time
import urllib.error
import urllib.request
from types import FrameType
from typing import Any

MOST_CHARACTERS = 8_000
SECONDS_PER_TURN = 30
# Of the model's code in a turn, until code that takes no signal, such as sum(range(10**12)), ends the process.
SECONDS_AFTER = 10
# A search takes at most this much of a turn's time: one that is slow or out is not the model's fault.
SECONDS_PER_SEARCH = 1
# Below `memory_mebibytes`, so that the model reads a MemoryError.
MEMORY_BYTES = 768 * 2**20
IMPORTS = {"collections", "datetime", "itertools", "json", "math", "re", "statistics", "unicodedata"}
INSTRUCTIONS = """You answer a question by writing Python. In each turn write one short thought, then one block of code:
```python
for hit in websearch("..."):
    print(hit)
```
You then read what it printed. Variables stay. You may call:
websearch(query: str) -> list[dict]   hits with "id", "title" and "preview"
scrape(id: str) -> str                the whole document
final_answer(answer: str)             ends the work; as short as possible
"""


class Finished(BaseException):
    """`final_answer` was called; not an Exception, so that the model's own `except` does not take it."""


class TooLong(BaseException):
    """The time of a turn is over; not an Exception either, and raised again each second until the code has ended."""


def too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLong(f"the code ran for more than {SECONDS_PER_TURN} s")


def start_clock(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 1)
    faulthandler.dump_traceback_later(max(seconds, 0) + SECONDS_AFTER, exit=True)


def stop_clock() -> float:
    """The seconds that were left."""
    left, _interval = signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()
    return left


def post(url: str, body: dict[str, Any], key: str = "") -> Any:
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=600) as response:
        return json.load(response)


def answered(url: str, body: dict[str, Any], key: str = "") -> Any:
    """Waits for a server that is out: after the limits of the recipe the rollout is absent."""
    while True:
        try:
            return post(url, body, key)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise
        except OSError:
            pass
        time.sleep(1)


def search(path: str, body: dict[str, Any]) -> Any:
    left = stop_clock()
    began = time.monotonic()
    try:
        return answered(os.environ["SEARCH_URL"] + path, body)
    finally:
        start_clock(left - min(time.monotonic() - began, SECONDS_PER_SEARCH))


def websearch(query: str) -> list[dict[str, str]]:
    [rows] = search("/retrieve", {"queries": [str(query)], "topk_rerank": 10})["result"]
    return [{"id": row["id"], "title": row["title"], "preview": row["text"][:150]} for row in rows]


def scrape(id: str) -> str:
    try:
        [[document]] = search("/visit", {"url": str(id)})["result"]
    except urllib.error.HTTPError as error:
        raise ValueError(f"no document has the id {id}") from error
    return f"{document['title']}: {document['text']}"


def final_answer(answer: Any) -> None:
    raise Finished(str(answer))


def guarded_import(name: str, *rest: Any) -> Any:
    if name.split(".", maxsplit=1)[0] not in IMPORTS:
        raise ImportError(f"{name} cannot be imported; there are {', '.join(sorted(IMPORTS))}")
    return __import__(name, *rest)


def builtins_of_agent() -> dict[str, Any]:
    hidden = {"open", "eval", "exec", "compile", "input", "breakpoint", "exit", "quit", "globals", "vars"}
    names = {name: value for name, value in vars(builtins).items() if not name.startswith("_") and name not in hidden}
    return {**names, "__import__": guarded_import, "__build_class__": builtins.__build_class__, "__name__": "agent"}


def code_of(text: str) -> str | None:
    """The blocks of a turn, joined; None where it has none."""
    blocks = re.findall(r"```(?:python|py)?\s*\n(.*?)```", text, re.DOTALL) or re.findall(
        r"<code>(.*?)</code>", text, re.DOTALL
    )
    return "\n".join(blocks) or None


def checked(code: str) -> Any:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise SyntaxError(f"attribute {node.attr} is private")
    return compile(tree, "turn", "exec")


def run(code: str, names: dict[str, Any]) -> str:
    """What it prints, and whatever it raises as text; raises Finished."""
    printed = io.StringIO()
    try:
        start_clock(SECONDS_PER_TURN)
        try:
            with contextlib.redirect_stdout(printed):
                exec(checked(code), names)
        finally:
            stop_clock()
    except Finished:
        raise
    except BaseException as error:
        printed.write(f"{type(error).__name__}: {error}\n")
    return printed.getvalue()[:MOST_CHARACTERS] or "(nothing was printed)"


def answer_to(question: str) -> str:
    """Asks until there is an answer; `limits.max_turns` of the recipe bounds the turns."""
    names: dict[str, Any] = {
        "__builtins__": builtins_of_agent(),
        "websearch": websearch,
        "scrape": scrape,
        "final_answer": final_answer,
    }
    messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": question}]
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    while True:
        reply = answered(url, {"model": "any", "messages": messages}, os.environ["OPENAI_API_KEY"])
        text = reply["choices"][0]["message"]["content"] or ""
        code = code_of(text)
        try:
            said = run(code, names) if code else "There was no block of code. Write one; final_answer ends the work."
        except Finished as finished:
            return str(finished)
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": f"Observation:\n{said}"}]


def main() -> None:
    signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answer = answer_to(json.loads(sys.stdin.readline())["data"]["question"])
    with open(os.environ["GRADUS_RESULT_FILE"], "w", encoding="utf-8") as file:
        json.dump({"prediction": answer}, file)


main()
