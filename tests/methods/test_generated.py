"""Generated rows: the penalty against its formula, rows there and back, quality that is known, and the whole way."""

import numpy as np
import polars as pl
import pytest
from toys import ToyContext, made_table

from melior.data.schema import Schema
from melior.data.table import Table
from melior.methods._generated import PictureCoder, RowCoder
from melior.methods._generator_quality import coverage_and_distance
from melior.methods.gan_samples import GanSamples, generator_quality
from melior.models._base import families
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.fit import fit

torch = pytest.importorskip("torch")

from melior.networks.generator import Shape, generated, gradient_penalty, trained_generator  # noqa: E402


def mixed_rows(rows, seed, label):
    """Class 0: x about -2, mostly red; class 1: x about 3, mostly blue, and y = -x."""
    random = np.random.default_rng(seed)
    x = random.normal(3 if label else -2, 0.5, rows)
    y = -x + random.normal(0, 0.1, rows)
    colour = np.where(random.random(rows) < 0.9, "blue" if label else "red", "red" if label else "blue")
    return pl.DataFrame({"x": x, "y": y, "colour": colour.tolist(), "count": random.poisson(3, rows).astype(float)})


def two_classes(common=150, rare=30, seed=0):
    frame = pl.concat([mixed_rows(common, seed, 0), mixed_rows(rare, seed + 100, 1)])
    kinds = {"x": "number", "y": "number", "colour": "category", "count": "number"}
    return Table.make(frame, Schema(kinds, "answer", ("no", "yes")), np.repeat([0, 1], [common, rare]).astype(np.int32))


def test_the_penalty_matches_its_formula():
    """A critic whose gradient is known: f(x, p) = sum of a x^2 / 2 + sum of b p, so the gradient is (a x, b)."""
    random = np.random.default_rng(0)
    real, made = random.normal(size=(6, 3)), random.normal(size=(6, 3))
    shown, drawn = random.normal(size=(6, 1, 2, 2)), random.normal(size=(6, 1, 2, 2))
    shares, a, b = random.random(6), np.array([0.5, 1.0, 2.0]), random.normal(size=4)

    def critic(x, p, labels):
        return (torch.tensor(a) * x**2 / 2).sum(dim=1) + p.flatten(1) @ torch.tensor(b)

    tensors = [(torch.tensor(one), torch.tensor(other)) for one, other in ((real, shown), (made, drawn))]
    found = gradient_penalty(critic, *tensors, torch.zeros(6), torch.tensor(shares))
    between = shares[:, None] * real + (1 - shares[:, None]) * made
    length = np.sqrt(((a * between) ** 2).sum(axis=1) + (b**2).sum())
    np.testing.assert_allclose(float(found.detach()), np.mean((length - 1) ** 2), rtol=1e-9)


def test_rows_there_and_back():
    table = made_table(rows=120)
    coder = RowCoder(table)
    vectors = coder.coded(table, seed=0)
    assert vectors.shape == (120, len(coder.numbers) + sum(coder.groups))
    assert abs(vectors[:, 1].mean()) < 0.1
    assert abs(vectors[:, 1].std() - 1) < 0.1, "about standard normal"
    back = coder.decoded(vectors, table)
    for name in table.of_kind("number"):
        before, after = table.numbers(name), back.numbers(name)
        assert np.array_equal(np.isnan(before), np.isnan(after)), "what is missing stays so"
        known = ~np.isnan(before)
        inner = known & (before > np.nanquantile(before, 0.02)) & (before < np.nanquantile(before, 0.98))
        assert np.abs(before - after)[inner].max() < 0.1 * np.nanstd(before)
    assert back.column("colour").to_list() == table.column("colour").to_list()
    assert back.column("note").to_list() == table.column("note").to_list()


def test_pictures_there_and_back():
    from melior.testing.images import image_table

    table = image_table(40, faulty=False)
    coder = PictureCoder(table, "picture")
    assert (coder.side, coder.channels) == (32, 3)
    back = coder.decoded(coder.coded(table), table)
    one, other = table.pictures("picture"), back.pictures("picture")
    assert other.readable.all()
    assert np.array_equal(one.sizes, other.sizes), "a picture is as large as the row's own was"
    apart = np.abs(one.pixels.astype(float) - other.pixels.astype(float))
    assert apart.mean() < 6
    assert table.column("picture").to_list() != back.column("picture").to_list()


def test_quality_of_rows_whose_quality_is_known():
    whole = two_classes(common=600, rare=2)
    real, same = whole.take(np.arange(300)), whole.take(np.arange(300, 600))
    good = generator_quality(real, same)
    assert 0.4 < good.told_apart < 0.6
    assert good.coverage > 0.9
    assert 0.7 < good.copy_distance < 1.4
    assert good.distinct == 1
    assert max(good.columns.values()) < 0.15
    copies = generator_quality(real, real.take(np.arange(300) % 3))
    assert copies.copy_distance == 0
    assert copies.distinct == 3 / 300
    assert copies.coverage < 0.2
    other = two_classes(common=2, rare=300)
    far = generator_quality(real, other.take(np.arange(2, 302)))
    assert far.told_apart > 0.95
    assert far.coverage < 0.1
    assert far.copy_distance > 2
    assert far.columns["x"] > 0.95
    shares = [t.column("colour").to_list().count("red") / t.rows for t in (real, other.take(np.arange(2, 302)))]
    np.testing.assert_allclose(far.columns["colour"], abs(shares[0] - shares[1]))


def test_coverage_by_hand():
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    # nearest others: 1, 1, 2, 4, so 2nd nearest 3, 2, 3, 6; to the made rows 0.25, 0.75, 2.75, 6.75
    coverage, distance = coverage_and_distance(real, np.array([[0.25], [0.25]]), k=2)
    assert coverage == 3 / 4
    assert distance == 0.25 / 1.5


def test_the_generator_learns_what_its_classes_look_like():
    table = two_classes()
    coder = RowCoder(table)
    shape = Shape(2, len(coder.numbers), coder.groups, width=48)
    vectors, labels = coder.coded(table, 0), table.given_labels()
    generator = trained_generator(shape, vectors, None, labels, steps=250, seed=0)
    made, _ = generated(generator, np.repeat([0, 1], 200), 1)
    rows = coder.decoded(made, table.take(np.zeros(400, dtype=np.int64)))
    x, y = rows.numbers("x"), rows.numbers("y")
    assert (x[:200] < 0.5).mean() > 0.75, "it heeds the class"
    assert (x[200:] > 0.5).mean() > 0.75, "it heeds the rare class"
    assert np.corrcoef(x, y)[0, 1] < -0.8, "columns go together as they do in real rows"
    blue = np.array(rows.column("colour").to_list()) == "blue"
    assert blue[:200].mean() < 0.4 < 0.6 < blue[200:].mean()
    assert set(rows.numbers("count")) <= set(table.numbers("count")), "counts stay whole and within what there was"
    again = trained_generator(shape, vectors, None, labels, steps=20, seed=0)
    once = trained_generator(shape, vectors, None, labels, steps=20, seed=0)
    for one, other in zip(again.parameters(), once.parameters(), strict=True):
        assert torch.equal(one, other)


def test_rows_are_added_and_their_quality_is_said():
    table = two_classes(common=120, rare=20)
    method = GanSamples(steps=30, width=16)
    made = method.rows(table, ToyContext(classes=table.classes))
    assert np.bincount(made.labels).tolist() == [120, 120]
    assert made.frame[:140].equals(table.frame), "rows that were there stay first and as they are"
    assert set(made.row_ids[140:]) <= set(table.row_ids[120:]), "folds keep a row and what is near it together"
    (said,) = made.notes
    for word in ("100 rows of yes from 20 real ones", "ROC-AUC", "distinct", "nearby", "times as far"):
        assert word in said
    few = GanSamples(steps=5, width=16).rows(two_classes(common=60, rare=5), ToyContext())
    assert "copies" in few.notes[0]
    assert set(few.frame[65:]["x"]) <= set(few.frame[60:65]["x"])


def test_what_was_said_is_kept_with_the_predictor(tmp_path):
    table = two_classes(common=60, rare=12)
    method = {"gan_samples": {"steps": 5, "width": 8}}
    predictor = fit(Recipe(model="linear", metric="macro_f1", methods=[method]), table)
    assert "ROC-AUC" in predictor.notes[0]
    predictor.save(tmp_path)
    assert Predictor.load(tmp_path).notes == predictor.notes
    assert fit(Recipe(model="linear", metric="macro_f1"), table).notes == ()


def test_pictures_are_generated_and_large_ones_refused(tmp_path):
    from PIL import Image

    from melior.testing.images import image_table

    table = image_table(60, classes=2, faulty=True)
    labels = table.given_labels()
    table = table.take(np.flatnonzero((labels == 0) | (np.cumsum(labels) <= 12)))
    made = GanSamples(steps=4, width=32).rows(table, ToyContext(classes=table.classes))
    new = made.take(np.arange(table.rows, made.rows))
    assert new.rows > 5
    pictures = new.pictures("picture")
    assert pictures.readable.all()
    assert set(map(tuple, pictures.sizes.tolist())) == {(24, 24)}
    assert len(np.unique(pictures.digests)) == new.rows, "each is another picture"
    assert np.isfinite(new.numbers("size")).all()
    Image.new("RGB", (90, 40)).save(tmp_path / "large.png")
    frame = pl.DataFrame({"picture": [str(tmp_path / "large.png")] * 20})
    large = Table.make(frame, Schema({"picture": "image"}, "y", ("a", "b")), np.arange(20, dtype=np.int32) % 2)
    assert "90 by 40" in GanSamples().unsuitable(Recipe(), large, families()["linear"]())


def test_it_says_where_it_cannot_work(monkeypatch):
    frame = pl.DataFrame({"note": ["a", "b"] * 10})
    texts = Table.make(frame, Schema({"note": "text"}, "y", ("a", "b")), np.arange(20, dtype=np.int32) % 2)
    assert "oversampling" in GanSamples().unsuitable(Recipe(), texts, families()["linear"]())
    monkeypatch.setattr("melior.methods.gan_samples.have_torch", lambda: False)
    assert "melior[networks]" in GanSamples().unsuitable(Recipe(), two_classes(), families()["linear"]())
