"""The documents are true to the code and to each other: commands, links, languages, generated pages, sessions."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import melior
from melior.cli.main import app
from melior.findings import SYMPTOMS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md")), ROOT / "src" / "melior" / "samples" / "README.md"]
)
OWN = [page for page in PAGES if "benchmarks" not in page.parts]  # pages that benchmarks write have their own words
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
FENCE = re.compile(r"^(`{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"<!-- session:(\w+) -->.*?<!-- /session -->", re.DOTALL)
GENERATED = re.compile(r"<!-- generated:\w+ -->.*?<!-- /generated -->", re.DOTALL)
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands}
PAIRS = [
    ("README.md", "README.zh-CN.md"),
    *((f"docs/{page.name}", f"docs/zh/{page.name}") for page in sorted((DOCS / "zh").glob("*.md"))),
]
ENGLISH_ONLY = {
    "log.md", "tried.md",  # what happened and what did not help, for those who work on the code
    "parallel_plan.md",  # figures that a program of benchmarks/ writes, as all pages in docs/benchmarks/
}  # fmt: skip


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return FENCE.sub("", text)


# ---- commands and names


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name):
    said = text_of(name)
    named = re.findall(r"^\$ melior ([a-z]\w*)", said, re.MULTILINE) + re.findall(r"`melior ([a-z]\w*)", said)
    assert set(named) <= COMMANDS, f"{sorted(set(named) - COMMANDS)} are no commands"


def test_readme_lists_every_command():
    listed = set(re.findall(r"`melior (\w+)", text_of("README.md")))
    assert listed == COMMANDS


@pytest.mark.parametrize("name", NAMES)
def test_python_names_exist(name):
    said = "\n".join(re.findall(r"^```python\n(.*?)^```", text_of(name), re.MULTILINE | re.DOTALL))
    for attribute in re.findall(r"(?<![\w.])melior\.(\w+)\(", said):
        assert hasattr(melior, attribute), f"melior.{attribute}"


@pytest.mark.parametrize("name", NAMES)
def test_options_exist(name):
    import inspect
    import typing

    known = {"--help", "--version", "--install-completion", "--show-completion"}
    for command in app.registered_commands:
        for hint in typing.get_type_hints(command.callback, include_extras=True).values():
            info = typing.get_args(hint)[-1] if typing.get_args(hint) else None
            known |= {
                one for one in (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ())) if one
            }
    assert "--budget" in known, inspect.getsource(app.registered_commands[2].callback)
    lines = re.findall(r"^\$ melior .*$", text_of(name), re.MULTILINE) + re.findall(r"`(melior [^`]*)`", text_of(name))
    for line in lines:
        for option in re.findall(r"(?<=\s)--?[a-z][\w-]*", line):
            assert option in known, f"{line}: there is no option {option}"


def test_make_targets_exist():
    targets = set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.MULTILINE))
    for name in NAMES:
        for target in re.findall(r"(?:^\$ |`)make ([\w-]+)", text_of(name), re.MULTILINE):
            assert target in targets, f"{name}: make {target}"


def test_symptoms_in_the_judge_exist():
    named = set(re.findall(r"^\| (\w+_\w+) \|", text_of("docs/judge.md"), re.MULTILINE))
    assert named
    assert named <= set(SYMPTOMS)


# ---- what the code generates


def test_reference_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(DOCS / "make_reference.py"), "--check"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def the_generator(monkeypatch, folder=None):
    """docs/make_reference.py as a module; with a folder, its pages are written there, and are empty."""
    monkeypatch.syspath_prepend(DOCS)
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    if folder:
        (folder / "zh").mkdir()
        for name in made.PAGES:
            for page in (folder / f"{name}.md", folder / "zh" / f"{name}.md"):
                page.write_text(f"intro\n\n<!-- generated:{name} -->\nstale text\n<!-- /generated -->\nend\n")
        monkeypatch.setattr(made, "HERE", folder)
    return made


def generate(made, monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["make_reference.py", *options])
    return made.main()


def test_check_notices_what_is_out_of_date(tmp_path, monkeypatch):
    made = the_generator(monkeypatch, tmp_path)
    assert generate(made, monkeypatch, "--check") == 1
    assert "stale text" in (tmp_path / "methods.md").read_text()
    assert generate(made, monkeypatch) == 0
    for page in (tmp_path / "methods.md", tmp_path / "zh" / "methods.md"):
        fresh = page.read_text()
        assert "stale text" not in fresh
        assert "## class_weights" in fresh
        assert fresh.startswith("intro")
        assert fresh.endswith("end\n")
    assert generate(made, monkeypatch, "--check") == 0


def test_a_translation_whose_english_changed_is_named(tmp_path, monkeypatch, capsys):
    made, translated = the_generator(monkeypatch, tmp_path), importlib.import_module("translated")
    texts = tmp_path / "zh" / "methods.yaml"
    english = "Builds the network with another activation."
    texts.write_text(f'activation_choice:\n  "{translated.digest(english)}": 换一种\n', encoding="utf-8")
    assert generate(made, monkeypatch) == 0
    page = (tmp_path / "zh" / "methods.md").read_text(encoding="utf-8")
    assert "## activation_choice\n\n换一种\n" in page  # what is translated
    assert (
        f"## bagging\n\nAverages the probabilities of fits on bootstrap rows.{translated.MARK}\n" in page
    )  # what is not
    assert generate(made, monkeypatch, "--check") == 0  # what lacks is no error
    texts.write_text(f'activation_choice:\n  "{translated.digest("Builds a network.")}": 换一种\n', encoding="utf-8")
    assert generate(made, monkeypatch) == 0
    assert english in (tmp_path / "zh" / "methods.md").read_text(encoding="utf-8")
    capsys.readouterr()
    assert generate(made, monkeypatch, "--check") == 1
    (said,) = capsys.readouterr().out.splitlines()
    assert "zh/methods.yaml: activation_choice" in said
    assert f'"{translated.digest(english)}": {english}' in said  # and what to translate


def test_translations_keep_numbers_and_names(monkeypatch):
    """Every entry of docs/zh/*.yaml has the numbers and the code of the English that it translates."""
    made = the_generator(monkeypatch)
    chinese = made.Chinese(DOCS / "zh")
    for page in made.PAGES.values():
        page(chinese)
    assert len(chinese.used) > 500
    for key, english in chinese.used.items():
        _, item, said = chinese.entries[key]
        for pattern in (r"(?<![\w.])\d+(?:[.,]\d+)*", r"`[^`]*`"):
            assert sorted(re.findall(pattern, said)) == sorted(re.findall(pattern, english)), f"{item}: {said}"


def test_every_setting_of_a_recipe_is_explained():
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| (.*?) \|$", text_of("docs/recipe.md"), re.MULTILINE)
    assert len(rows) > 15
    assert not [name for name, said in rows if not said.strip()]


@pytest.mark.parametrize("name", NAMES)
def test_sessions_are_known_and_filled(name):
    spec = importlib.util.spec_from_file_location("make_sessions", DOCS / "make_sessions.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    said = text_of(name)
    assert len(re.findall(r"<!-- session:", said)) == len(re.findall(r"<!-- /session -->", said))
    for found in SESSION.finditer(said):
        assert found[1] in made.SESSIONS, f"there is no session {found[1]}"
        typed = re.findall(r"^\$ (.*)$", found[0], re.MULTILINE)
        assert typed == [shown for shown, _ in made.SESSIONS[found[1]]], "run python docs/make_sessions.py"


# ---- links


def anchors(page: Path) -> set[str]:
    """What a link may name after #: headings as GitHub and the site make them, and anchors of our own."""
    said = page.read_text(encoding="utf-8")
    found = set(re.findall(r'<a id="([^"]+)">', said))
    for heading in re.findall(r"^#+ (.+)$", without_code(said), re.MULTILINE):
        found.add(re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    said = re.sub(r"`[^`\n]*`", "", without_code(page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", said):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name}: {target}"
        assert there.is_relative_to(ROOT), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(there), f"{name}: {target}"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_pages_of_the_site_link_inside_it(name):
    """A link out of docs/ works on a repository's page and is dead on the site."""
    said = re.sub(r"`[^`\n]*`", "", without_code(text_of(name)))
    for target in re.findall(r"\]\(([^)\s#]+)", said):
        if not target.startswith(("https://", "http://")):
            assert (ROOT / name).parent.joinpath(target).resolve().is_relative_to(DOCS), f"{name}: {target}"


def test_the_sites_menu_has_every_page():
    menu = re.findall(r": ([\w/]+\.md)$", text_of("mkdocs.yml"), re.MULTILINE)
    assert all((DOCS / page).exists() for page in menu)
    own = {page.relative_to(DOCS).as_posix() for page in OWN if page.is_relative_to(DOCS)}
    assert own - set(menu) == set()


# ---- two languages


def test_every_page_is_in_both_languages():
    own = {page.name for page in DOCS.glob("*.md")}
    assert own - ENGLISH_ONLY == {page.name for page in (DOCS / "zh").glob("*.md")}


@pytest.mark.parametrize("pair", PAIRS, ids=[pair[0] for pair in PAIRS])
def test_both_languages_have_the_same_parts(pair):
    first, second = (text_of(name) for name in pair)

    def shape(said):
        outside = without_code(said)
        return {
            "headings": re.findall(r"^(#+) ", outside, re.MULTILINE),
            "figures": [Path(target).name for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", outside)],
            "code": [block.split("\n")[0] for block in re.findall(r"^```\w+.*$", said, re.MULTILINE)],
            "rows of tables": len(re.findall(r"^\|", outside, re.MULTILINE)),
            "items": len(re.findall(r"^(?:- |\d+\. )", outside, re.MULTILINE)),
            "sessions": re.findall(r"<!-- (\w+)(?::(\w+))? -->", said),
        }

    assert shape(first) == shape(second)


@pytest.mark.parametrize("pair", PAIRS, ids=[pair[0] for pair in PAIRS])
def test_both_languages_have_the_same_numbers(pair):
    def numbers(said):
        return sorted(re.findall(r"(?<![\w.])\d+(?:[.,]\d+)*", without_code(GENERATED.sub("", said))))

    first, second = (numbers(text_of(name)) for name in pair)
    assert first == second


@pytest.mark.parametrize("pair", PAIRS, ids=[pair[0] for pair in PAIRS])
def test_both_languages_show_the_same_code(pair):
    """But for comments; and the same sessions to the letter."""

    def code(said):
        blocks = re.findall(r"^```(?!text)(\w+[^\n]*)\n(.*?)^```", SESSION.sub("", said), re.MULTILINE | re.DOTALL)
        return [(head, re.sub(r"\s+# .*$", "", block, flags=re.MULTILINE)) for head, block in blocks]

    first, second = (text_of(name) for name in pair)
    assert code(first) == code(second)
    assert [found[0] for found in SESSION.finditer(first)] == [found[0] for found in SESSION.finditer(second)]


@pytest.mark.parametrize("pair", PAIRS, ids=[pair[0] for pair in PAIRS])
def test_chinese_pages_are_chinese(pair):
    """More than one Chinese character for each English word (whole translations have about 1.6), and its signs."""
    english, chinese = (re.sub(r"`[^`]*`", "", without_code(GENERATED.sub("", text_of(name)))) for name in pair)
    words = len(re.findall(r"[A-Za-z]{2,}", english))
    assert words > 20
    assert len(re.findall(r"[\u4e00-\u9fff]", chinese)) > words
    halves = re.findall(r"[\u4e00-\u9fff][,;:?!][\u4e00-\u9fff]", without_code(text_of(pair[1])))
    assert not halves, f"Western punctuation inside Chinese: {halves}"


# ---- words


@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_a_workplace(name):
    said = text_of(name)
    for pattern in (
        r"/wor[k]/",
        r"/home/\w+",
        r"/root/",
        r"/tmp/",
        r"/mnt/",
        r"site-packages",
        r"localhost",
        r"\b10\.\d+\.\d+\.\d+",
    ):
        assert not re.search(pattern, said), f"{name}: {pattern}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_do(name):
    assert not re.search(r"\bTODO\b|\bFIXME\b|\bXXX\b|\bTBD\b|lorem ipsum", text_of(name), re.IGNORECASE)


@pytest.mark.parametrize("page", OWN, ids=[page.relative_to(ROOT).as_posix() for page in OWN])
def test_no_marketing(page):
    said = without_code(page.read_text(encoding="utf-8"))
    words = (
        r"blazing|powerful|seamless|cutting[- ]edge|state[- ]of[- ]the[- ]art|effortless|revolution|leverag|robustly"
    )
    found = re.findall(rf"\b(?:{words})\w*", said, re.IGNORECASE)
    assert not found, found


@pytest.mark.parametrize("name", [name for name in NAMES if "benchmarks" not in name])
def test_lines_are_of_a_length_to_read(name):
    """Written by hand, outside tables, code and Chinese."""
    said = without_code(SESSION.sub("", GENERATED.sub("", text_of(name))))
    for line in said.splitlines():
        if not line.startswith("|") and not re.search(r"[\u4e00-\u9fff]", line):
            assert len(line) <= 120, f"{name}: {line[:60]}..."


# ---- what the README says of the package


def test_readme_names_what_is_installed():
    needed = tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"]
    names = {re.split(r"[><=]", one)[0].lower() for one in needed}
    named = re.search(r"light core: (.*?) and a few", text_of("README.md"), re.DOTALL)[1]
    assert {one.strip().lower() for one in named.split(",")} <= names
    assert not names & {"torch", "pandas"}
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["requires-python"]
    assert f"Python {version.removeprefix('>=')} or newer" in text_of("README.md")


def test_changelog_knows_the_version():
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    assert f"## [{version}]" in text_of("CHANGELOG.md")


def test_the_recipe_on_the_page_is_one():
    from melior.methods._base import resolve
    from melior.recipe import Recipe, schema

    example = re.search(r"^```yaml\n(.*?)^```", text_of("docs/recipe.md"), re.MULTILINE | re.DOTALL)[1]
    recipe = Recipe.from_yaml(example)
    assert [method.name for method in resolve(recipe.methods)] == ["class_weights", "threshold"]
    assert recipe.split.kind == "group"
    json.dumps(schema())


# ---- what the judge's page says


def test_the_judges_numbers_are_those_of_the_code():
    import numpy as np
    from scipy.special import chdtri, ndtri

    from melior.data.splits import REPEATED_ROWS, repeats_for
    from melior.improvement.plan import FIRST
    from melior.improvement.race import FEWEST_TRAINING
    from melior.improvement.ruler import NOISE_WORTH_CORRECTING
    from melior.metrics import label_weights
    from melior.metrics.noise import LARGEST_WEIGHT
    from melior.recipe import Split
    from melior.trials.judge import LEVEL, POWER, RESAMPLES

    said = text_of("docs/judge.md")
    assert (LEVEL, POWER, RESAMPLES) == (0.05, 0.8, 1000)
    assert f"For five folds `usual` is {chdtri(4, 0.05) / 4:.2f}" in said
    assert f"({ndtri(0.975):.2f} + {ndtri(POWER):.2f}) se(c)" in said
    assert f"at least {NOISE_WORTH_CORRECTING:.0%}".replace("%", " %") in said
    assert f"a weight above {LARGEST_WEIGHT:.0f}" in said
    assert f"the training rows (at least {FEWEST_TRAINING})" in said
    assert (Split().sealed, Split().folds, Split().repeats) == (0.2, 5, None)
    assert [repeats_for(Split(), rows) for rows in (300, 1_200, 4_001)] == [5, 5, 1]
    assert FIRST == 4
    assert f"until some {REPEATED_ROWS:,} rows\nwere scored, at most five times" in said
    from melior.metrics._bounds import few_units
    from melior.metrics.ordered import FEWEST_BLOCKS, LONGER, MOST_BLOCKS
    from melior.trials.versus import RESAMPLES as DRAWS
    from melior.trials.where import FLIPS

    assert (MOST_BLOCKS, FEWEST_BLOCKS, LONGER, DRAWS, FLIPS) == (30, 8, 3.0, 2000, 2000)
    assert f"which is {few_units(20):.2f} for 20 groups of one size" in said
    weights = np.round(label_weights([0, 1], [[0.9, 0.1], [0.2, 0.8]]), 3)
    for row in weights:
        assert f"({row[0]:g}, {row[1]:g})" in said
