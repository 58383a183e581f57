"""The command line: every command on a small file, the shapes that programs read, and one sentence for bad input."""

import json
import subprocess
import sys
import time
from functools import partial

import numpy as np
import polars as pl
import pytest

from melior.findings import SYMPTOMS
from melior.runs.store import Run

ROWS = 300


def rows_of(seed, rows=ROWS):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, rows)
    words = np.array([["bad", "poor"], ["good", "great"]])[labels, random.integers(0, 2, rows)]
    return pl.DataFrame(
        {
            "size": (random.normal(size=rows) + labels).round(3),
            "price": random.lognormal(size=rows).round(2),
            "colour": random.choice(["red", "green", "blue"], rows),
            "note": [f"it is {word} and number {n}" for n, word in enumerate(words)],
            "kept": np.array(["no", "yes"])[np.where(random.random(rows) < 0.1, 1 - labels, labels)],
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    rows_of(0).write_csv(folder / "rows.csv")
    rows_of(1, 60).write_csv(folder / "test.csv")
    rows_of(2, 40).drop("kept").write_csv(folder / "new.csv")
    return folder


@pytest.fixture
def melior(place, melior_in):
    """Runs a command in the folder of the files: code, standard output, standard error."""
    return partial(melior_in, place)


@pytest.fixture(scope="module")
def trained(place):
    from melior.verbs.train import train

    train(str(place / "rows.csv"), target="kept", model="linear", run=place / "runs" / "plain")
    return place / "runs" / "plain"


# ---- what each command gives


def test_init(melior, place):
    code, out, _ = melior("init", "rows.csv", "--target", "kept", "--out", "made/melior.yaml")
    assert code == 0
    assert "size" in out
    assert "melior improve made/melior.yaml" in " ".join(out.split())
    from melior.recipe import Recipe

    recipe = Recipe.load(place / "made" / "melior.yaml")
    assert recipe.data.target == "kept"
    assert (place / recipe.data.path).resolve() == (place / "rows.csv").resolve()
    code, _, err = melior("init", "rows.csv", "--out", "made/melior.yaml")
    assert code == 2
    assert "is there already" in err


def test_init_leaves_rows_without_a_target_out(melior, place):
    rows = rows_of(3).with_columns(kept=pl.when(pl.int_range(ROWS) % 10 > 0).then(pl.col("kept")))
    rows.write_csv(place / "gaps.csv")
    code, _, err = melior("train", "gaps.csv", "-t", "kept", "--run", "runs/gaps")
    assert code == 2
    assert "`melior init` writes one that does" in err
    code, out, _ = melior("init", "gaps.csv", "-t", "kept ", "--out", "gaps.yaml")
    assert code == 0
    assert '30 rows have no "kept" and were left out' in " ".join(out.split())
    assert "missing_target: drop      # 30 rows have no target and are left out" in (place / "gaps.yaml").read_text()
    assert melior("audit", "gaps.yaml", "--fast")[0] == 0


def test_notes_on_the_rows_are_shown_by_improve(melior, place):
    rows = rows_of(4).with_columns(kept=pl.when(pl.int_range(ROWS) % 2 > 0).then(pl.col("kept").str.to_titlecase())
                                   .otherwise(pl.col("kept")))  # fmt: skip
    rows.write_csv(place / "case.csv")
    code, out, _ = melior("improve", "case.csv", "-t", "kept", "--model", "linear", "--budget", "2s")
    assert code == 0
    assert "differ only in case or spaces" in " ".join(out.split())  # lines are cut


def test_audit(melior, place):
    code, out, _ = melior("audit", "rows.csv", "--target", "kept", "--json", "audit.json", "--run", "runs/audit")
    found = json.loads((place / "audit.json").read_text(encoding="utf-8"))
    assert code == (1 if any(f["symptom"] == "failed_check" for f in found["findings"]) else 0)
    assert set(found) == {"melior", "rows", "columns", "seconds", "findings"}
    assert found["rows"] == ROWS
    assert found["columns"] == {"size": "number", "price": "number", "colour": "category", "note": "text"}
    for finding in found["findings"]:
        shape = {"symptom", "severity", "columns", "rows", "row_scores", "measured", "threshold", "message", "methods"}
        assert set(finding) >= shape
        assert finding["symptom"] in SYMPTOMS
        assert 0 <= finding["severity"] <= 1
        assert isinstance(finding["methods"], list)
    assert str(ROWS) in out
    assert (place / "runs" / "audit" / "report.html").exists()
    Run.open(place / "runs" / "audit")


def test_no_check_fails_here(melior, place):
    melior("audit", "rows.csv", "--target", "kept", "--test", "test.csv", "--json", "with_test.json")
    found = json.loads((place / "with_test.json").read_text(encoding="utf-8"))
    assert [f["message"] for f in found["findings"] if f["symptom"] == "failed_check"] == []


def test_audit_without_a_target_and_of_one_check(melior, place):
    assert melior("audit", "rows.csv")[0] == 0
    code, _, _ = melior("audit", "rows.csv", "-t", "kept", "--check", "label_noise", "--json", "one.json")
    assert code == 0
    assert {f["check"] for f in json.loads((place / "one.json").read_text())["findings"]} <= {"label_noise"}


def test_train_predict_evaluate_report(melior, place):
    code, out, err = melior(
        "train", "rows.csv", "-t", "kept", "--model", "linear", "--method", "class_weights", "--run", "runs/train",
        "--json", "train.json",
    )  # fmt: skip
    assert code == 0
    assert "macro_f1" in out
    assert "fitting" in err
    made = json.loads((place / "train.json").read_text())
    assert set(made) >= {"metric", "rows", "recipe", "evaluation", "run", "seconds"}
    assert made["recipe"]["methods"] == ["class_weights"]
    assert made["evaluation"]["scores"]["macro_f1"]["low"] <= made["evaluation"]["scores"]["macro_f1"]["value"]

    code, out, _ = melior("predict", "runs/train", "new.csv", "--out", "answers.csv")
    assert code == 0
    answers = pl.read_csv(place / "answers.csv")
    assert answers.columns == ["row", "prediction", "score_no", "score_yes"]
    assert answers["row"].to_list() == list(range(40))
    assert set(answers["prediction"]) <= {"no", "yes"}
    np.testing.assert_allclose(answers["score_no"] + answers["score_yes"], 1, atol=1e-9)
    code, out, _ = melior("predict", "runs/train", "new.csv")
    assert code == 0
    assert out == (place / "answers.csv").read_text()
    code, _, err = melior("predict", "runs/train", "new.csv", "--out", "answers.csv")
    assert code == 2
    assert "is there already" in err

    code, out, _ = melior("evaluate", "runs/train", "test.csv", "--json", "scores.json")
    assert code == 0
    scores = json.loads((place / "scores.json").read_text())
    assert set(scores) >= {"metric", "rows", "classes", "scores", "confusion", "roc", "precision_recall", "reliability"}
    assert scores["rows"] == 60
    assert (place / "runs" / "train" / "evaluations" / "test.csv" / "report.html").exists()
    Run.open(place / "runs" / "train")
    code, _, _ = melior("evaluate", "runs/train", "test.csv")
    assert code == 0, "evaluating twice must work"

    code, out, _ = melior("report", "runs/train")
    assert code == 0
    assert out.strip().endswith("report.html")


def test_another_file_of_the_same_name_is_scored_into_a_folder_of_its_own(melior, place, trained):
    (place / "later").mkdir()
    rows_of(3, 50).write_csv(place / "later" / "test.csv")
    folders = []
    for file in ("test.csv", "later/test.csv", "test.csv", "later/test.csv"):
        code, out, _ = melior("evaluate", trained, file)
        assert code == 0
        folders.append("".join(out.split("report: ")[1].split()).removesuffix("/report.html"))
    first, second = folders[:2]
    assert folders[2:] == [first, second]
    assert first.endswith("/evaluations/test.csv")
    assert second.startswith(f"{first}-")
    assert [Run.open(folder).read("scores.json")["rows"] for folder in (first, second)] == [60, 50]
    Run.open(trained)


def test_an_evaluation_that_its_folder_does_not_take_is_refused_before_it_is_scored(melior, trained, monkeypatch):
    monkeypatch.setattr("melior.verbs.evaluate.measured", lambda *_, **__: pytest.fail("it was scored"))
    code, _, err = melior("evaluate", trained, "test.csv", "--run", trained)
    assert code == 2
    assert "holds another run" in err


def test_the_time_of_fitting_is_that_of_the_fit(melior, monkeypatch):
    from melior.verbs import train

    choose = train.choose_family

    def slowly(*asked, **how):
        time.sleep(3)
        return choose(*asked, **how)

    monkeypatch.setattr(train, "choose_family", slowly)
    for _ in range(2):  # the second is given back as it was
        code, out, _ = melior("train", "rows.csv", "-t", "kept", "--model", "linear", "--run", "runs/slow")
        assert code == 0
        assert float(out.split("linear fitted on 240 rows in ")[1].split()[0]) < 3


def test_a_trained_run_is_the_same_in_another_process(place, trained):
    done = subprocess.run(
        [sys.executable, "-m", "melior.cli.main", "predict", str(trained), str(place / "new.csv")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout:  # the module is no script: the entry point is
        code = f"import sys\nsys.argv = ['melior', 'predict', {str(trained)!r}, {str(place / 'new.csv')!r}]\n"
        code += "from melior.cli.main import run\nrun()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    from melior.predictor import Predictor

    here = Predictor.load(trained / "predictor").predict(str(place / "new.csv"))
    assert done.stdout == here.write_csv()


def test_improve(melior, place):
    code, out, err = melior(
        "improve", "rows.csv", "-t", "kept", "--budget", "4s", "--model", "linear", "--json", "improve.json",
        "--try", "class_weights", "--never", "stacking",
    )  # fmt: skip
    assert code == 0
    assert "left" in err
    assert "use it: melior predict runs/rows" in " ".join(out.split())
    found = json.loads((place / "improve.json").read_text())
    shape = {
        "metric", "baseline", "final", "reported_before_repair", "findings", "evidence", "accepted", "recipe", "run",
        "seconds",
    }  # fmt: skip
    assert set(found) >= shape
    for key in ("baseline", "final"):
        assert set(found[key]) == {"score", "low", "high"}
        assert found[key]["low"] <= found[key]["score"] <= found[key]["high"]
    assert found["metric"] == "macro_f1"
    for one in found["evidence"]:
        assert set(one) >= {"methods", "effect", "low", "high", "p", "p_adjusted", "verdict", "seconds", "trials"}
        assert one["verdict"] in ("accepted", "rejected", "undecided")
        assert one["low"] <= one["effect"] <= one["high"]
        assert "stacking" not in one["methods"]
    assert found["run"] == "runs/rows"
    run = Run.open(place / "runs" / "rows")
    assert run.recipe().model_dump(mode="json") == found["recipe"]
    for name in ("findings.json", "evidence.json", "scores.json", "examples.json", "report.html", "recipe.yaml"):
        assert run.has(name)
    assert "<html" in (run.folder / "report.html").read_text(encoding="utf-8").lower()
    code, out, _ = melior("predict", "runs/rows", "new.csv", "--out", "improved.csv")
    assert code == 0


@pytest.mark.parametrize("command", ["checks", "methods", "models", "questions", "schema"])
def test_listings(melior, command):
    code, out, _ = melior(command)
    assert code == 0
    assert len(out) > 200


def test_one_question_in_two_languages(melior):
    assert melior("questions", "9")[0] == 0
    code, out, _ = melior("questions", "9", "--zh")
    assert code == 0
    assert any("\u4e00" <= letter <= "\u9fff" for letter in out)


def test_the_json_of_one_question_holds_that_one(melior, place):
    asked = {"9": [9], None: list(range(1, 31))}
    for number, numbers in asked.items():
        assert melior("questions", *([number] if number else []), "--json", "asked.json")[0] == 0
        assert [one["n"] for one in json.loads((place / "asked.json").read_text())["questions"]] == numbers


def test_help_and_version(melior):
    code, out, _ = melior("--help")
    assert code == 0
    for command in ("init", "audit", "improve", "train", "evaluate", "predict", "report", "demo"):
        assert command in out
    assert melior("--version")[1].startswith("melior ")
    assert '"precision[yes], recall[yes]>=0.9' in melior("improve", "--help")[1]


# ---- bad input


WRONG = {
    "no such file": ("audit", "none.csv"),
    "no such target": ("audit", "rows.csv", "-t", "keptt"),
    "no target": ("improve", "rows.csv", "--run", "runs/w0"),
    "unknown metric": ("train", "rows.csv", "-t", "kept", "--metric", "makro_f1", "--run", "runs/w1"),
    "unknown method": ("train", "rows.csv", "-t", "kept", "--method", "bagingg", "--run", "runs/w2"),
    "unknown model": ("train", "rows.csv", "-t", "kept", "--model", "forest", "--run", "runs/w3"),
    "unknown check": ("audit", "rows.csv", "-t", "kept", "--check", "nonsense"),
    "unknown kind": ("audit", "rows.csv", "-c", "size=colour"),
    "unknown column": ("audit", "rows.csv", "-c", "sizes=number"),
    "no kind": ("audit", "rows.csv", "-c", "size"),
    "negative seed": ("audit", "rows.csv", "-t", "kept", "--seed", "-4"),
    "no budget": ("improve", "rows.csv", "-t", "kept", "--budget", "soon", "--run", "runs/w4"),
    "too little budget": ("improve", "rows.csv", "-t", "kept", "--budget", "0s", "--run", "runs/w5"),
    "a target of numbers": ("train", "rows.csv", "-t", "price", "--run", "runs/w6"),
    "no run": ("predict", "runs/none", "new.csv"),
    "no run to report": ("report", "runs/none"),
    "no new rows": ("predict", "{trained}", "none.csv"),
    "a missing column": ("predict", "{trained}", "narrow.csv"),
    "no answers to compare with": ("evaluate", "{trained}", "new.csv"),
    "an unknown class": ("evaluate", "{trained}", "strange.csv"),
    "a recipe that is none": ("improve", "broken.yaml", "--run", "runs/w7"),
    "a recipe that is missing": ("improve", "none.yaml", "--run", "runs/w8"),
    "a recipe without rows": ("improve", "empty.yaml", "--run", "runs/w9"),
    "another run": ("train", "rows.csv", "-t", "kept", "--model", "trees", "--run", "{trained}"),
    "a folder in use": ("train", "rows.csv", "-t", "kept", "--run", "."),
    "an unknown method to try": (
        *("improve", "rows.csv", "-t", "kept", "-b", "2s"),
        *("--try", "nonsense", "--run", "runs/wa"),
    ),
    "an unknown method never to try": ("improve", "rows.csv", "-t", "kept", "-b", "2s", "--never", "nonsense", "--run",
                                       "runs/wb"),
    "to try and never to try": (
        *("improve", "rows.csv", "-t", "kept", "--try", "voting", "--never", "voting", "--run", "runs/wc"),
    ),
    "a margin below nothing": ("improve", "rows.csv", "-t", "kept", "--margin", "-1", "--run", "runs/wd"),
    "a margin that is no number": ("improve", "rows.csv", "-t", "kept", "--margin", "nan", "--run", "runs/we"),
    "a plan of what is never to be tried": (
        *("improve", "rows.csv", "-t", "kept", "--plan", "--try", "voting", "--never", "voting"),
    ),
    "nothing beside the target, to audit": ("audit", "only.csv", "-t", "kept"),
    "nothing beside the target, to begin with": ("init", "only.csv", "-t", "kept", "-o", "only.yaml"),
    "nothing beside the target, to train": ("train", "only.csv", "-t", "kept", "--run", "runs/wf"),
    "nothing beside the target, to improve": ("improve", "only.csv", "-t", "kept", "--run", "runs/wg"),
    "nothing to learn from, to train": ("train", "ids.csv", "-t", "kept", "--run", "runs/wh"),
    "nothing to learn from, to improve": ("improve", "ids.csv", "-t", "kept", "--run", "runs/wi"),
    "an empty file": ("audit", "empty.csv"),
    "a folder": ("audit", "."),
    "no such question": ("questions", "31"),
    "a check to run and to skip": ("audit", "rows.csv", "--checks", "outliers", "--skip", "outliers"),
    "a map that is none": ("audit", "rows.csv", "--map", "stars"),
    "one metric is near": ("improve", "rows.csv", "-t", "kept", "--goal", "macro_f1, brie<=1"),
}  # fmt: skip


SAID = {  # by how the name above begins
    "nothing": "there is no column to predict from",
    "to try and never to try": "--try and --never both name voting",
    "a plan of what is never": "--try and --never both name voting",
    "a check to run and to skip": "--checks and --skip both name outliers",
    "a map": "--map (in Python rows_by) is pca or tsne",
    "one metric is near": "The nearest is brier.",
    "a margin": "the smallest gain that matters is 0 or more",
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_one_sentence_and_code_two(name, melior, place, trained):
    (place / "narrow.csv").write_text("size,colour\n1,red\n")
    (place / "strange.csv").write_text("size,price,colour,note,kept\n1,2,red,it is good,perhaps\n")
    (place / "broken.yaml").write_text("data: {path: rows.csv, taget: kept}\n")
    (place / "empty.yaml").write_text("metric: accuracy\n")
    (place / "empty.csv").write_text("")
    rows_of(0).select("kept").write_csv(place / "only.csv")
    rows_of(0).select("kept").with_row_index("id").write_csv(place / "ids.csv")
    code, _, err = melior(*(part.format(trained=trained) for part in WRONG[name]))
    assert code == 2, err
    lines = [line for line in err.splitlines() if line.strip() and not line.startswith("[")]
    assert len(lines) == 1, err
    assert lines[0].startswith("melior: ")
    assert lines[0].endswith((".", "?"))
    assert next((said for begins, said in SAID.items() if name.startswith(begins)), "") in lines[0]
    if name.startswith("nothing"):
        assert not (place / WRONG[name][-1]).exists()


def test_usage_errors_have_code_two_as_well(melior):
    for arguments in (
        ("nonsense",),
        ("audit",),
        ("audit", "rows.csv", "--nonsense"),
        ("train", "rows.csv", "--seed", "x"),
    ):
        assert melior(*arguments)[0] == 2


def test_refused_commands_leave_nothing_behind(melior, place):
    before = sorted(path.name for path in place.rglob("*"))
    melior("train", "rows.csv", "-t", "keptt", "--run", "runs/left")
    melior("train", "rows.csv", "-t", "kept", "--metric", "nonsense", "--run", "runs/left")
    assert sorted(path.name for path in place.rglob("*")) == before


def test_the_users_files_are_never_touched(place, trained):
    assert pl.read_csv(place / "rows.csv").equals(rows_of(0))
    assert pl.read_csv(place / "new.csv").height == 40


def test_stdin_is_not_a_terminal_and_progress_is_lines(melior):
    _, _, err = melior("audit", "rows.csv", "-t", "kept", "--check", "label_noise")
    assert "\x1b[" not in err
    assert "looking for what is wrong" in err


def test_interruption_has_its_own_code(melior, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("melior.verbs.audit.audit", stop)
    code, _, err = melior("audit", "rows.csv")
    assert code == 130
    assert "interrupted" in err
