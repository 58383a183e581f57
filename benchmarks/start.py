"""How long it takes to start. Wanted: `melior --help` within 0.3 s, `import melior` 0.1 s beyond bare Python.

    python benchmarks/start.py

Fresh processes, the three in turn, medians of 11 after one that warms the disk's cache.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import Results, Shown, median, number, options

COMMANDS = {
    "bare python": [sys.executable, "-c", "pass"],
    "import melior": [sys.executable, "-c", "import melior"],
    "melior --help": [str(Path(sys.executable).parent / "melior"), "--help"],
}


def case(repeats: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(repeats + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn > 0:
                seconds[name].append(time.perf_counter() - started)
    return {"seconds": seconds}


def tables(results: Results) -> list[Shown]:
    rows = []
    for one in results.finished().values():
        seconds = one["seconds"]
        bare = median(seconds["bare python"])
        for name, own in seconds.items():
            wanted = {"melior --help": "0.300", "import melior": "0.100 beyond bare"}.get(name, "")
            rows.append(
                (name, number(median(own)), number(min(own)), number(max(own)), number(median(own) - bare), wanted)
            )
    headings = ("what", "median, s", "least", "most", "beyond bare python, s", "wanted, s")
    return [Shown("Seconds to start", headings, rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=11)


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.repeats = 3
    results = Results("start", "How long it takes to start", given, {"repeats": given.repeats})
    if not given.show:
        results.case("start", lambda: case(given.repeats))
    results.show(tables(results))


if __name__ == "__main__":
    main()
