"""What a process and all that it started have used, from /proc (Linux)."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    # The name in parentheses may hold spaces; the numbers begin after it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def descendants(root: int) -> list[int]:
    """`root` and what lives of its children, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has ended meanwhile.
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def command_line(pid: int) -> str:
    """Empty when the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(root: int) -> float:
    """User and system time of the tree; of children that have ended, what their parent waited for."""
    ticks = 0
    for pid in descendants(root):
        try:
            ticks += sum(int(field) for field in _stat(pid)[11:15])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks / TICKS
