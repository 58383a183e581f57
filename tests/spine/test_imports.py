"""The way through the house is one direction: a room imports only rooms that stand before it in this list."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import melior

SOURCE = Path(melior.__file__).parent
ORDER = (
    "errors", "_version", "progress", "questions", "samples",
    "registry", "storage", "processes", "findings", "evidence", "layout", "refusals", "recipe",
    "metrics", "texts", "images", "privacy", "engine", "data", "features", "predictor",
    "networks", "checks", "models", "methods",
    "runs", "trials", "improvement", "report", "verbs", "sklearn", "proofs", "cli", "testing", "__main__",
)  # fmt: skip
SHOWING = {"rich": {"cli"}, "typer": {"cli"}, "jinja2": {"report"}}
HEAVY = {
    "numpy",
    "polars",
    "sklearn",
    "scipy",
    "lightgbm",
    "pydantic",
    "pandas",
    "safetensors",
    "yaml",
    "jinja2",
    "rich",
    "torch",
    "transformers",
    "ray",
}
NETWORK = {"socket", "urllib.request", "http.client", "requests", "httpx", "aiohttp", "ftplib", "smtplib"}
ABROAD = "melior.trials.executors.courier"  # speaks to the cluster that the user names, and only where one is named
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path, *, anywhere: bool = True) -> list[tuple[str, int]]:
    """Full names of what a file imports, with the line; anywhere: also inside functions and under TYPE_CHECKING."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree)) if anywhere else tree.body
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}, line {node.lineno}: imports are absolute"
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            found += [(a.value, node.lineno) for a in node.args if isinstance(a, ast.Constant) and a.value]
    return found


def is_room(name: str) -> bool:
    return (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()


def test_every_room_has_its_place():
    rooms = {module_of(file).split(".")[1] for file in FILES if "." in module_of(file)}
    assert rooms <= set(ORDER), f"{sorted(rooms - set(ORDER))}: give the new room its place in ORDER"


@pytest.mark.parametrize("file", FILES, ids=[module_of(file) for file in FILES])
def test_one_direction(file):
    module = module_of(file)
    own = room_of(module)
    if not own:
        return  # the facade: everything lazily
    allowed = set(ORDER[: ORDER.index(own)]) | {own}
    for name, line in imported(file):
        if name.split(".")[0] != "melior":
            continue
        room = room_of(name)
        if not is_room(room):  # `from melior import audit`: the facade, for people and not for the house
            assert own in ("cli", "testing"), f"{module}, line {line}: imports the facade"
            continue
        if own == "registry" and name == "melior.predictor":
            continue  # found by name when something is loaded: the registry knows no room, it looks
        assert room in allowed, f"{module}, line {line}: {own} imports {room}, which stands after it"


def test_modules_import_each_other_in_no_circle():
    known = {module_of(file): file for file in FILES}
    edges = {}
    for module, file in known.items():
        names = {name for name, _ in imported(file, anywhere=False)}
        edges[module] = {n if n in known else n.rpartition(".")[0] for n in names if n.startswith("melior.")} & set(
            known
        )
        edges[module].discard(module)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for other in edges[module]:
                visit(other, (*path, module))
            done.add(module)

    for module in known:
        visit(module, ())


@pytest.mark.parametrize("library", SHOWING)
def test_only_what_people_look_at_imports_what_shows(library):
    for file in FILES:
        for name, line in imported(file):
            if name.split(".")[0] == library:
                assert room_of(module_of(file)) in SHOWING[library], f"{module_of(file)}, line {line} imports {library}"


def test_nothing_leaves_the_machine():
    for file in FILES:
        if module_of(file) == ABROAD:
            continue
        for name, line in imported(file):
            assert not any(name == one or name.startswith(f"{one}.") for one in NETWORK), f"{file.name}, line {line}"


def test_ray_is_imported_on_the_way_to_a_cluster_alone():
    for file in FILES:
        if any(name.split(".")[0] == "ray" for name, _ in imported(file)):
            assert module_of(file) in (ABROAD, "melior.trials.executors.node"), file
        if any(name.startswith(ABROAD) for name, _ in imported(file)):
            raise AssertionError(f"{file} loads what has a process of its own")


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(','.join(sorted(name for name in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.strip().splitlines()[-1].split(","))


def test_importing_melior_loads_nothing_heavy():
    assert not HEAVY & loaded_by("import melior; melior.__version__; melior.UserError; dir(melior)")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["improve", "--help"], ["questions"], ["questions", "9"]]
)
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\n"
        f"sys.argv = ['melior', *{arguments!r}]\n"
        "from melior.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    )
    assert not (HEAVY - {"rich", "yaml", "jinja2", "pydantic"}) & loaded_by(code)


def test_the_facade_names_what_there_is():
    for name in melior.__all__:
        assert getattr(melior, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = melior.nonsense
