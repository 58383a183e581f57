"""What the benchmarks share: one file of results that grows case by case, tables from it, and a fresh process.

A program has its cases under names of their own (`wine | wrong labels 20 % | seed 1`). A finished case is written at
once and not run again; a case that fails is kept with its reason, shown as a row, and tried again the next time.
Everything that is shown is made from the JSON alone, so `--show` makes the Markdown again without running anything.
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from melior.proofs.machine import installed, processor, system
from melior.trials.threads import cores

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIBRARIES = (
    "melior",
    "numpy",
    "scipy",
    "scikit-learn",
    "lightgbm",
    "polars",
    "pydantic",
    "safetensors",
    "torch",
    "transformers",
)


# ---- where and with what


def hardware() -> dict[str, Any]:
    """The machine and the versions, without its name or any path."""
    return {
        "processor": processor(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 1),
        "system": system(),
        "python": platform.python_version(),
        "libraries": installed(*LIBRARIES),
        "code": code(),
        "date": time.strftime("%Y-%m-%d"),
    }


def code() -> str:
    """A short name of the state of the package's code: cases of different states should not be compared."""
    digest = sha256()
    for path in sorted((ROOT / "src" / "melior").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def peak_mib() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fresh(program: str, part: str, *, timeout: float | None = None, **settings: Any) -> dict[str, Any]:
    """Runs `part` of a program in a process of its own and gives back what it answered.

    The program's PARTS names its parts: functions of the settings that give back a dict.
    """
    command = [sys.executable, str(HERE / f"{program}.py"), "--part", part, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RuntimeError(f"{part} ended with code {done.returncode}: {last}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


# ---- results


@dataclass(frozen=True)
class Shown:
    """A table for the terminal and for Markdown."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


class Results:
    """The results of one program: `settings` that hold for all cases, and the cases by name."""

    def __init__(self, name: str, about: str, options: argparse.Namespace, settings: dict[str, Any]) -> None:
        self.name = name
        self.quick = options.quick
        folder = (
            Path(tempfile.mkdtemp(prefix=f"melior-{name.replace('/', '-')}-")) if options.quick else HERE / "results"
        )
        self.path = folder / f"{name}.json"
        self.document = (folder if options.quick else ROOT / "docs" / "benchmarks") / f"{name}.md"
        self.kept: dict[str, Any] = {
            "benchmark": name,
            "about": about,
            "commands": [command(name)],
            "settings": settings,
            "hardware": hardware(),
            "cases": {},
        }
        if options.show and not self.path.exists():
            raise SystemExit(f"There are no results of {name} yet.")
        if self.path.exists() and not options.fresh:
            before = json.loads(self.path.read_text())
            before.setdefault("commands", [before.pop("command", command(name))])
            if options.show:
                self.kept = before
                return
            if before["settings"] != settings:
                raise SystemExit(
                    f"{self.path.name} holds cases of other settings: {before['settings']}, now {settings}. "
                    "Give the same, or --fresh to start anew."
                )
            self.kept["cases"] = before["cases"]
            self.kept["commands"] = list(dict.fromkeys([*before["commands"], command(name)]))

    @property
    def cases(self) -> dict[str, dict[str, Any]]:
        cases: dict[str, dict[str, Any]] = self.kept["cases"]
        return cases

    def case(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The case of this name: kept if it is finished, else made; a failure is a case too."""
        before = self.cases.get(key)
        if before is not None and "failed" not in before:
            print(f"kept    {key}", flush=True)
            return before
        print(f"running {key} ...", end=" ", flush=True)
        started = time.perf_counter()
        try:
            made = make()
        except Exception as error:  # one case that fails must not stop the others
            made = {"failed": without_paths(f"{type(error).__name__}: {error}")[:300]}
        made = rounded({**made, "case_seconds": time.perf_counter() - started, "code": self.kept["hardware"]["code"]})
        said = f"FAILED, {made['failed']}" if "failed" in made else "done"
        print(f"{said} in {made['case_seconds']:.1f} s", flush=True)
        self.cases[key] = made
        self.save()
        return made

    def finished(self) -> dict[str, dict[str, Any]]:
        return {key: case for key, case in self.cases.items() if "failed" not in case}

    def failures(self) -> Shown | None:
        rows = [(key, case["failed"]) for key, case in self.cases.items() if "failed" in case]
        return Shown("Cases that failed", ("case", "reason"), rows) if rows else None

    def save(self) -> None:
        """One case a line, written aside and renamed."""
        head = {key: value for key, value in self.kept.items() if key != "cases"}
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        cases = ",\n".join(f"  {json.dumps(key)}: {json.dumps(case)}" for key, case in self.cases.items())
        write(self.path, "{\n" + ",\n".join([*lines, f' "cases": {{\n{cases}\n }}']) + "\n}\n")

    def show(self, tables: Sequence[Shown | None], notes: Sequence[str] = ()) -> None:
        """Prints the tables and writes them as Markdown."""
        from rich.console import Console
        from rich.table import Table

        wanted = [table for table in (*tables, self.failures()) if table is not None]
        out = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
        for table in wanted:
            shown = Table(title=table.title, title_justify="left", title_style="bold", caption=table.note or None)
            for number, heading in enumerate(table.headings):
                shown.add_column(heading, justify="left" if number == 0 else "right", overflow="fold")
            for row in table.rows:
                shown.add_row(*map(escaped, row))
            out.print(shown)
        for note in notes:
            out.print(note, markup=False)
        write(self.document, self.markdown(wanted, notes))
        if self.quick:
            print(f"A smoke run: nothing under docs or results was touched; its files are in {self.path.parent}")

    def markdown(self, tables: Sequence[Shown], notes: Sequence[str]) -> str:
        machine = self.kept["hardware"]
        codes = sorted({case.get("code", "") for case in self.cases.values()})
        versions = ", ".join(f"{name} {found}" for name, found in machine["libraries"].items())
        lines = [f"# {self.kept['about']}", "", "Made by", "", "```", *self.kept["commands"], "```", ""]
        for table in tables:
            lines += [f"## {table.title}", ""]
            lines += [f"| {' | '.join(table.headings)} |", f"|{'---|' * len(table.headings)}"]
            lines += [f"| {' | '.join(cell.replace('|', '·') for cell in row)} |" for row in table.rows]
            lines += ["", *([table.note, ""] if table.note else [])]
        lines += [f"- {note}" for note in notes]
        lines += [
            f"- Settings: {', '.join(f'{key} {value}' for key, value in self.kept['settings'].items())}.",
            f"- {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, load "
            f"{machine['load_at_start']} at the start, {machine['system']}, Python {machine['python']}, {versions}; "
            f"{machine['date']}.",
            f"- State of the code: {', '.join(codes) or machine['code']}"
            + ("; the cases come from several states, --fresh makes them alike." if len(codes) > 1 else "."),
            f"- Generated from benchmarks/results/{self.name}.json; do not edit.",
        ]
        return "\n".join(lines) + "\n"


def command(name: str) -> str:
    """The command line as it was given, the program's path made relative and options for showing left out."""
    given = [word for word in sys.argv[1:] if word not in ("--fresh", "--show", "--quick")]
    return " ".join([f"python benchmarks/{name}.py", *given])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.aside")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def without_paths(text: str) -> str:
    """A message without any path of the machine."""
    return re.sub(r"(/[\w.~+-]+){2,}", lambda found: "…/" + found.group(0).rsplit("/", 1)[1], text)


def rounded(value: Any) -> Any:
    """Six digits, plain types; nan and infinities become None."""
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, np.ndarray):
        return rounded(value.tolist())
    if isinstance(value, np.generic):
        return rounded(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


def escaped(cell: str) -> str:
    return cell.replace("[", r"\[")


# ---- the command line of every program


def options(about: str, add: Callable[[argparse.ArgumentParser], None] | None = None) -> argparse.Namespace:
    """--quick, --fresh, --show, and what `add` adds."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="a smoke run with tiny settings, kept apart")
    parser.add_argument("--fresh", action="store_true", help="forget finished cases and start anew")
    parser.add_argument("--show", action="store_true", help="only show what there is and write the Markdown again")
    if add is not None:
        add(parser)
    return parser.parse_args()


def part_asked(parts: dict[str, Callable[..., dict[str, Any]]]) -> bool:
    """Answers a call of `fresh`: runs the part that was asked for and prints what it gives as JSON."""
    if len(sys.argv) != 4 or sys.argv[1] != "--part":
        return False
    print(json.dumps(rounded(parts[sys.argv[2]](**json.loads(sys.argv[3])))))
    return True


# ---- numbers in tables


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    return "–" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def median(values: Sequence[float]) -> float:
    return float(np.median(values))


def share_interval(hits: int, of: int) -> str:
    """A share with its exact (Clopper-Pearson) 95 % interval."""
    from scipy.stats import binomtest

    if not of:
        return "–"
    ends = binomtest(hits, of).proportion_ci()
    return f"{hits / of:.1%} [{ends.low:.1%}, {ends.high:.1%}]"
