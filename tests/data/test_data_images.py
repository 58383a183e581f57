"""Folders of images, columns of paths, and images in memory."""

import builtins
import io
import re
import sys

import numpy as np
import polars as pl
import pytest

Image = pytest.importorskip("PIL.Image")

import melior  # noqa: E402
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
    with pytest.raises(
        UserError, match=r'pets: "stray\.png" lies in the folder itself and not in the folder of a class'
    ):
        read(folder)
    picture(5).save(folder / "stray2.png")
    with pytest.raises(UserError, match=r'"stray.png" lies in .* \(and so does 1 more\)\. Move .*missing_target: drop'):
        read(folder)
    (folder / "stray2.png").unlink()
    assert read(folder, missing_target="drop").rows == 10


def test_links_to_folders_are_followed_and_end(folder, tmp_path):
    picture(7).save(tmp_path / "7.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "7.png").rename(tmp_path / "elsewhere" / "7.png")
    (folder / "ape").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "cat" / "round").symlink_to(folder, target_is_directory=True)
    (folder / "cat" / "self").symlink_to(folder / "cat", target_is_directory=True)
    table = read(folder)
    assert table.target_counts() == {"ape": 1, "cat": 5, "dog": 5}
    assert table.column("image")[0] == "ape/7.png"
    assert table.pictures("image").readable.all()


def test_a_folder_that_wraps_the_one_with_the_classes_is_told(folder, tmp_path):
    (tmp_path / "nest").mkdir()
    folder.rename(tmp_path / "nest" / "pets")
    said = f'all images lie in {tmp_path}/nest/pets, whose folders are "cat", "dog": name {tmp_path}/nest/pets.'
    table = read(tmp_path / "nest")
    assert table.target is None
    assert said in table.notes
    with pytest.raises(UserError, match=re.escape(said)):
        read(tmp_path / "nest", target="animal")
    with pytest.raises(UserError, match=re.escape(said)):
        melior.train(tmp_path / "nest")
    schema = read(tmp_path / "nest" / "pets").schema
    with pytest.raises(UserError, match=re.escape(said)):
        read_like(tmp_path / "nest", schema, need_target=True)
    assert not read_like(tmp_path / "nest", schema).notes  # nothing is to be learned from the folders' names
    assert not any("all images lie" in note for note in read(tmp_path / "nest" / "pets").notes)
    picture(1).save(tmp_path / "nest" / "1.png")
    assert not any("all images lie" in note for note in read(tmp_path / "nest", missing_target="drop").notes)


def test_a_file_address_is_a_path(folder):
    cells = [(folder / "cat" / "0.png").as_uri(), "file://elsewhere/1.png", (folder / "dog" / "a b.png").as_uri()]
    picture(3).save(folder / "dog" / "a b.png")
    images = read({"photo": cells}, columns={"photo": "image"}).pictures("photo")
    assert images.faults() == [None, "elsewhere", None]
    pl.DataFrame({"a": [1.5, 2.5]}).write_csv(folder / "my rows.csv")
    assert read((folder / "my rows.csv").as_uri()).rows == 2


def test_pictures_that_cannot_be_read_are_told(folder):
    """They count as missing, in training and in use."""
    from melior.data.unread import unread_of

    cells = ["cat/0.png", "gone.png", "dog/1.png", "", "empty.png"] * 4
    (folder / "empty.png").write_bytes(b"")
    pl.DataFrame({"photo": cells, "y": ["a", "b"] * 10}).write_csv(folder / "rows.csv")
    table = read(folder / "rows.csv", target="y")
    said = '8 of 16 images of "photo" cannot be read (row 2: gone.png, there is no such file) and count as missing.'
    assert unread_of(table) == (said,)
    assert read_like(folder / "rows.csv", table.schema).notes == (said,)
    assert unread_of(read(folder, missing_target="drop").take(np.arange(10))) == ()


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
