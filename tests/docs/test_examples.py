"""The worked examples of the documentation run as they stand: files with a title are written, the rest is executed.

A page is played as a reader would do it: its files go into an empty folder, its package counts as installed (with the
entry points of its pyproject.toml), its tests run under pytest, its other Python runs and prints what the page says.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = {
    "add_a_check": ["add_a_check.md"],
    "add_a_method": ["add_a_check.md", "add_a_method.md"],  # the method stands on the check
    "add_a_model": ["add_a_model.md"],
}


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, title, text) of every fenced block."""
    return [(one[1], one[2] or "", one[3]) for one in FENCE.finditer((DOCS / page).read_text(encoding="utf-8"))]


def played(folder: Path, pages: list[str]) -> None:
    """The files of these pages in a folder, the package as if installed there."""
    for page in pages:
        for _, title, text in blocks(page):
            if title:
                (folder / title).parent.mkdir(parents=True, exist_ok=True)
                (folder / title).write_text(text, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (folder / project["name"] / "__init__.py").touch()
    about = folder / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        line
        for group, named in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {module}" for name, module in named.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(points) + "\n")


def run(folder: Path, *words: str) -> str:
    found = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    surroundings = {**os.environ, "PYTHONPATH": found, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_example_holds_its_promises(name, tmp_path):
    """The page's tests, among them the contract suite, and the examples in documentation pass."""
    played(tmp_path, PAGES[name])
    written = [title for _, title, _ in blocks(PAGES[name][-1])]
    tests = [title for title in written if title.startswith("tests/")]
    assert len(tests) == 2
    package = next(title for title in written if title.endswith(".py")).split("/")[0]
    plain = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--doctest-modules")
    said = run(tmp_path, "-m", "pytest", *plain, *tests, package)
    passed = re.search(r"(\d+) passed", said)
    assert passed, said
    assert int(passed[1]) >= 6


@pytest.mark.parametrize("name", PAGES)
def test_example_is_found_and_does_what_the_page_says(name, tmp_path):
    """Listed by the command line through its entry point; the page's own Python prints what the page shows."""
    played(tmp_path, PAGES[name])
    listed = {"add_a_check": ("checks", "spelling_variants"), "add_a_method": ("methods", "one_spelling")}
    command, thing = listed.get(name, ("models", "centres"))
    assert thing in run(tmp_path, "-c", "from melior.cli.main import run; run()", command)
    own = blocks(PAGES[name][-1])
    for at, (language, title, text) in enumerate(own):
        if language == "python" and not title:
            shown = next(said for kind, _, said in own[at + 1 :] if kind == "text")
            assert run(tmp_path, "-c", text) == shown


def test_all_python_of_the_pages_is_played():
    """Every page with instructions to add something is in PAGES."""
    assert {page.stem for page in DOCS.glob("add_a_*.md")} == set(PAGES)
