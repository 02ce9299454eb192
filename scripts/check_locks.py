"""What set-up installs is what was locked: each npm package has a hash, and each Python package a version and hashes.

An npm package without one is refused by no `npm ci`: what the registry gives is taken. A pin that its lock does not
have would be passed over by `pip install --no-deps`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEARNER = ROOT / "services/learner"
CONTAINERS = "tests/containers/fleet/testcontainers/package-lock.json"
# Of platforms that the registry had no build of when they were locked. Empty this when `npm install` finds them.
NOT_BUILT = frozenset(
    f"node_modules/@lancedb/lancedb-{platform}"
    for platform in ("darwin-arm64", "linux-arm64-gnu", "linux-arm64-musl", "win32-arm64-msvc", "win32-x64-msvc")
)
# By scripts/setup-python, from an index that depends on the machine.
BY_ITSELF = {"torch"}


Lock = dict[str, dict[str, dict[str, object]]]


def npm_problems(lock: Lock, file: str = "package-lock.json", not_built: frozenset[str] = NOT_BUILT) -> list[str]:
    packages = lock["packages"]
    found = {name for name, entry in packages.items() if name and not entry.get("link") and "integrity" not in entry}
    return [f"{file}: {name} has no integrity; run npm install --package-lock-only" for name in found - not_built] + [
        f"scripts/check_locks.py: NOT_BUILT has {name}, which has an integrity or is gone; take it out"
        for name in not_built - found
    ]


def pins(path: Path) -> dict[str, str]:
    """Name and version of each line `name==version`, of the files that it includes too."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if included := re.match(r"-r (\S+)", line):
            found |= pins(path.parent / included[1])
        elif pin := re.match(r"([A-Za-z0-9_.-]+)==([^\s;]+)", line):
            found[re.sub(r"[-_.]+", "-", pin[1]).lower()] = pin[2]
        elif line.strip() and not line.startswith(("#", " ")):
            found[line] = ""
    return found


def python_problems(directory: Path) -> list[str]:
    problems: list[str] = []
    for name in sorted(path.stem for path in directory.glob("requirements*.txt")):
        wanted, locked = pins(directory / f"{name}.txt"), pins(directory / f"{name}.lock")
        problems += [
            f"{name}.lock: {package} is {locked.get(package, 'missing')}, {name}.txt has {version}; "
            "run scripts/lock-python"
            for package, version in wanted.items()
            if package not in BY_ITSELF and locked.get(package) != version
        ]
        blocks = re.split(r"\n(?=[A-Za-z0-9])", (directory / f"{name}.lock").read_text(encoding="utf-8"))
        problems += [
            f"{name}.lock: {block.split()[0]} has no hash; run scripts/lock-python"
            for block in blocks
            if not block.startswith("#") and not re.search(r"--hash=sha256:[0-9a-f]{64}", block)
        ]
    return problems


def main() -> int:
    lock, containers = (json.loads((ROOT / file).read_text("utf-8")) for file in ("package-lock.json", CONTAINERS))
    problems = npm_problems(lock) + npm_problems(containers, CONTAINERS, frozenset()) + python_problems(LEARNER)
    for problem in problems:
        print(problem)
    print(f"note: {len(NOT_BUILT)} npm packages of other platforms have no hash: the registry had no build of them")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
