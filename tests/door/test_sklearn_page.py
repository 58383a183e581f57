"""The example of the page about scikit-learn prints what the page says."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "sklearn.md"


def test_the_example_prints_what_the_page_says(tmp_path):
    said = PAGE.read_text(encoding="utf-8")
    (code,), (shown,) = (re.findall(rf"^```{kind}\n(.*?)^```", said, re.MULTILINE | re.DOTALL)
                         for kind in ("python", "text"))  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == shown, done.stderr
    assert "known_at_prediction=['closing_fee']" in done.stderr  # the warning
