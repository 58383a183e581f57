"""Folders of images, columns of paths, and images in memory."""

import builtins
import io
import sys

import numpy as np
import polars as pl
import pytest

Image = pytest.importorskip("PIL.Image")

from melior.data.read import read, read_like, read_pair  # noqa: E402
from melior.errors import MissingExtra, UserError  # noqa: E402


def picture(number):
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 10, 3)).astype(np.uint8))


def png(number):
    file = io.BytesIO()
    picture(number).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label / "old").mkdir(parents=True)
        for number in range(4):
            picture(number).save(tmp_path / "pets" / label / f"{number}.png")
        picture(9).save(tmp_path / "pets" / label / "old" / "9.jpeg")
    return tmp_path / "pets"


def test_a_folder_a_class(folder):
    (folder / ".hidden").mkdir()
    picture(1).save(folder / ".hidden" / "1.png")
    picture(1).save(folder / "cat" / ".thumb.png")
    (folder / "notes.txt").write_text("words")
    table = read(folder)
    assert table.target == "label"
    assert table.classes == ("cat", "dog")
    assert table.schema.kinds == {"image": "image"}
    assert table.column("image").to_list() == [
        f"{label}/{name}" for label in ("cat", "dog") for name in ("0.png", "1.png", "2.png", "3.png", "old/9.jpeg")
    ]
    assert table.target_counts() == {"cat": 5, "dog": 5}
    assert table.name == "pets"
    assert any("notes.txt" in note for note in table.notes)
    images = table.pictures("image")
    assert images.readable.all()
    assert images.sizes.tolist() == [[10, 12]] * 10
    assert images.formats()[4] == "JPEG"


def test_the_target_of_a_folder_may_be_called_otherwise(folder):
    table = read(folder, target="animal")
    assert table.target == "animal"
    assert read_like(folder, table.schema).labels.tolist() == table.labels.tolist()


def test_one_folder_or_none_is_no_answer(folder):
    assert read(folder / "cat").target is None
    (folder / "dog").rename(folder.parent / "elsewhere")
    table = read(folder)
    assert (table.target, table.rows, table.schema.kinds) == (None, 5, {"image": "image"})
    with pytest.raises(UserError, match="one class"):
        read(folder, target="animal")


def test_parts_are_no_classes(folder):
    (folder / "cat").rename(folder / "train")
    (folder / "dog").rename(folder / "test")
    with pytest.raises(UserError, match=r"parts of the data \(test, train\).*train --test .*test"):
        read(folder)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(UserError, match="folder without images"):
        read(tmp_path)


def test_images_beside_folders_have_no_label(folder):
    picture(5).save(folder / "stray.png")
    with pytest.raises(UserError, match='row 11: "label" is empty'):
        read(folder)
    assert read(folder, missing_target="drop").rows == 10


def test_a_column_of_paths(folder):
    frame = pl.DataFrame({
        "photo": ["cat/0.png", "dog\\1.png", None, "gone.png", str(folder / "cat" / "2.png"), "dog/3.png"],
        "age": [1, 2, 3, 4, 5, 6],
        "label": ["cat", "dog", "cat", "cat", "cat", "dog"],
    })  # fmt: skip
    frame.write_csv(folder / "table.csv")
    table = read(folder / "table.csv", target="label")
    assert table.schema.kinds == {"photo": "image", "age": "number"}
    assert table.features() == ["photo", "age"]
    images = table.pictures("photo")
    assert images.readable.tolist() == [True, True, False, False, True, True]
    assert images.faults() == [None, None, None, "absent", None, None]
    assert table.column("photo")[3] == "gone.png"
    few = table.take(np.array([4, 0, 4]))
    np.testing.assert_array_equal(few.pictures("photo").pixels, images.pixels[[4, 0, 4]])
    np.testing.assert_array_equal(few.with_frame(few.frame).pictures("photo").pixels, images.pixels[[4, 0, 4]])
    ignored = read(folder / "table.csv", target="label", columns={"photo": "ignore"})
    assert ignored.features() == ["age"]


def test_a_test_folder_is_read_as_the_first(folder, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "held" / label).mkdir(parents=True)
        picture(77).save(tmp_path / "held" / label / "0.png")  # the same name as another image
    first, second = read_pair(folder, tmp_path / "held")
    assert second.labels.tolist() == [0, 1]
    assert not np.array_equal(first.pictures("image").pixels[0], second.pictures("image").pixels[0])
    (tmp_path / "held" / "cow").mkdir()
    picture(78).save(tmp_path / "held" / "cow" / "0.png")
    with pytest.raises(UserError, match=r'"label" is "cow".*has "cat", "dog"'):
        read_pair(folder, tmp_path / "held")


def test_new_images_may_lie_in_any_folders(folder, tmp_path):
    schema = read(folder, target="animal").schema
    for part in ("monday", "tuesday"):
        (tmp_path / "new" / part).mkdir(parents=True)
        picture(3).save(tmp_path / "new" / part / "0.png")
    table = read_like(tmp_path / "new", schema)
    assert (table.rows, table.labels) == (2, None)
    with pytest.raises(UserError, match='"animal" is "monday"'):
        read_like(tmp_path / "new", schema, need_target=True)
    named = read({"photo": [str(folder / "cat" / "0.png")] * 12, "y": ["a", "b"] * 6}, target="y").schema
    assert read_like(tmp_path / "new", named).schema.kinds == {"photo": "image"}


def test_images_in_memory():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    rows = {"image": [{"bytes": png(n), "path": None} for n in range(4)] + [None], "label": [0, 1, 0, 1, 0]}
    for source in (datasets.Dataset.from_dict(rows, features=features), pl.DataFrame({**rows, "label": list("ababa")})):
        table = read(source, target="label")
        assert table.schema.kinds == {"image": "image"}
        images = table.pictures("image")
        assert images.readable.tolist() == [True] * 4 + [False]
        assert table.column("image").to_list() == [*(f"image of row {n}" for n in range(1, 5)), None]
        assert not np.array_equal(images.pixels[0], images.pixels[1])


def test_reading_tells_how_far_it_is(folder, monkeypatch):
    from melior.images import store

    clock = iter(range(1000))
    monkeypatch.setattr(store.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(store, "AT_ONCE", 2)
    told = []
    read(folder, progress=told.append)
    assert "decoding images, 10 of 10" in told


def test_without_pillow_the_command_that_installs_it_is_named(folder, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **how):
        if name == "PIL" or name.startswith("PIL."):
            raise ImportError(name)
        return real(name, *rest, **how)

    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'melior\[images\]'"):
        read(folder)


def test_strange_names(tmp_path):
    (tmp_path / "a'b").mkdir()
    (tmp_path / "日本").mkdir()
    picture(0).save(tmp_path / "a'b" / "x y.PNG")
    picture(1).save(tmp_path / "日本" / "写真.jpg")
    with open(bytes(tmp_path) + b"/\xe6.png", "wb") as file:  # a name that is no UTF-8
        file.write(png(2))
    table = read(tmp_path, missing_target="drop")
    assert table.classes == ("a'b", "日本")
    assert table.pictures("image").readable.all()
    (tmp_path / "a'b" / "x y.PNG").unlink()
    (tmp_path / "日本" / "写真.jpg").unlink()
    with pytest.raises(UserError, match="none of the images"):
        read(tmp_path)
