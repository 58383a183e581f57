"""The page of plans on paper is what its program gives, and says in its title and tables that it was not measured."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "parallel_plan.md"


def test_the_page_is_what_the_program_gives():
    program = ROOT / "benchmarks" / "parallel" / "on_paper.py"
    done = subprocess.run([sys.executable, str(program), "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_says_everywhere_that_nothing_was_measured():
    said = PAGE.read_text(encoding="utf-8")
    assert "NOT MEASURED" in said.splitlines()[0]
    heads = re.findall(r"^(\|.*\|)\n\|(?:---\|)+$", said, re.MULTILINE)
    assert len(heads) >= 5
    assert all("NOT MEASURED" in head for head in heads)
