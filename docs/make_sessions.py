"""Runs the commands that the README and these pages show, and writes what they really answered between the marks.

    python docs/make_sessions.py                 runs all sessions and writes the pages (some minutes)
    python docs/make_sessions.py audit predict   writes only these
    python docs/make_sessions.py --budget 20s    another budget, to try the script out
    python docs/make_sessions.py --print         writes nothing, prints

A page asks for a session with `<!-- session:NAME -->` and `<!-- /session -->`. Sessions run one after the other in one
empty folder that holds the sample that comes with the package, cut in two: `reviews.csv`, its first 3,200 rows, and
`later.csv`, the last 800. What differs from one run to the next (seconds, paths) is taken out.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MARKED = re.compile(r"(<!-- session:(\w+) -->\n).*?(<!-- /session -->)", re.DOTALL)
WIDTH = 100
ROWS = 3200  # of the sample in reviews.csv

# What is shown as typed, and where that differs what is run. Later sessions use what earlier ones left.
SESSIONS: dict[str, list[tuple[str, str]]] = {
    "demo": [("make demo", "melior demo --budget 75s")],
    "init": [
        ("melior init reviews.csv --target recommended", ""),
        ("cat melior.yaml", ""),
    ],
    "audit": [("melior audit melior.yaml", "")],
    "improve": [("melior improve melior.yaml --budget 75s --run runs/better", "")],
    "train": [
        (
            "melior train melior.yaml --column rating=ignore --model linear --method class_weights --run runs/plain",
            "",
        )
    ],
    "evaluate": [("melior evaluate runs/better later.csv", "")],
    "predict": [
        ("melior predict runs/better later.csv --out answers.csv", ""),
        ("head -4 answers.csv", ""),
    ],
}


def sample(folder: Path) -> None:
    """reviews.csv and later.csv."""
    import polars as pl

    from melior.samples import REVIEWS

    rows = pl.read_csv(REVIEWS, infer_schema=False)
    rows.head(ROWS).write_csv(folder / "reviews.csv")
    rows.tail(rows.height - ROWS).write_csv(folder / "later.csv")


def run(typed: str, folder: Path, budget: str | None) -> str:
    """What a command writes to standard output."""
    if budget is not None:
        typed = re.sub(r"--budget \S+", f"--budget {budget}", typed)
    words = shlex.split(typed)
    if words[0] == "melior":
        words[0] = str(Path(sys.executable).with_name("melior"))
    surroundings = {**os.environ, "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        words, cwd=folder, env=surroundings, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    if done.returncode:
        raise SystemExit(f"{typed}: it ended with code {done.returncode}")
    return done.stdout


def steady(text: str) -> str:
    """Without what differs from one run to the next: seconds, and where the sample lies."""
    from melior.samples import REVIEWS

    folded = r"\n?".join(re.escape(letter) for letter in str(REVIEWS))  # a long path may be cut at the edge
    text = re.sub(rf"\s+{folded}(?=\s)", f" {REVIEWS.name}", text)
    text = re.sub(r"^The same by hand:.*(?:\n.+)*", wrapped, text, flags=re.MULTILINE)
    text = re.sub(r"\d[\d,]*\.\d+ s\b", lambda found: "… s".rjust(len(found[0])), text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def wrapped(found: "re.Match[str]") -> str:
    return "\n".join(textwrap.wrap(" ".join(found[0].split()), WIDTH, break_on_hyphens=False))


def session(name: str, folder: Path, budget: str | None) -> str:
    """The commands of a session with their answers, as a Markdown block."""
    pieces = []
    for shown, really in SESSIONS[name]:
        print(f"$ {shown}", file=sys.stderr, flush=True)
        pieces.append(f"$ {shown}\n{steady(run(really or shown, folder, budget))}")
    inside = "\n\n".join(pieces)
    assert "```" not in inside, f"the session {name} would end its own block"
    return f"```console\n{inside}\n```\n"


def pages() -> list[Path]:
    found = [*ROOT.glob("README*.md"), *HERE.rglob("*.md")]
    return [page for page in sorted(found) if MARKED.search(page.read_text(encoding="utf-8"))]


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"sessions to write: {', '.join(SESSIONS)}")
    parser.add_argument("--budget", help="a budget for all commands that have one")
    parser.add_argument("--print", action="store_true", help="print, and write nothing")
    said = parser.parse_args(given)
    unknown = sorted(set(said.names) - set(SESSIONS))
    asked = {found[2] for page in pages() for found in MARKED.finditer(page.read_text(encoding="utf-8"))}
    unknown += sorted(asked - set(SESSIONS))
    if unknown:
        parser.error(f"there is no session {unknown[0]!r}; there are {', '.join(SESSIONS)}")
    wanted = set(said.names or SESSIONS)
    last = max(list(SESSIONS).index(name) for name in wanted)
    made: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample(folder)
        for session_name in list(SESSIONS)[: last + 1]:
            if session_name != "demo" or "demo" in wanted:
                made[session_name] = session(session_name, folder, said.budget)
    if said.print:
        print("\n".join(made[name] for name in made if name in wanted))
        return 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        renewed = MARKED.sub(lambda f: f"{f[1]}{made[f[2]]}{f[3]}" if f[2] in wanted else f[0], text)
        if renewed != text:
            page.write_text(renewed, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
