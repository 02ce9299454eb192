"""Leaves out demonstrations whose answer stands in nothing that was read: they would teach to make things up.

python keep_grounded.py demonstrations.jsonl ... > grounded.jsonl
"""

from __future__ import annotations

import fileinput
import json
import re
import sys

ANSWER = re.compile(r"<answer>(.*)</answer>", re.DOTALL)


def main() -> None:
    read = kept = 0
    with fileinput.input(encoding="utf-8") as lines:
        for line in lines:
            read += 1
            segments = json.loads(line)["segments"]
            answer = ANSWER.search(segments[-1]["text"])
            seen = "\n".join(segment["text"] for segment in segments if segment["kind"] == "environment")
            if answer and answer[1].strip() in seen:
                kept += 1
                sys.stdout.write(line)
    print(json.dumps({"read": read, "kept": kept}), file=sys.stderr)


if __name__ == "__main__":
    main()
