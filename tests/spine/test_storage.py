"""Fitted objects to disk and back: nothing lost, nothing executed, and a damaged file is named."""

import ast
import copy
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_array, csr_matrix

import melior
from melior.errors import UserError
from melior.storage import LONG_TEXT, Fitted, load_fitted, pack, save_fitted, sha256, unpack, write_atomic

DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "ctypes"}
CALLS = {"eval", "exec", "compile", "__import__"}


class Box(Fitted):
    """Holds anything."""

    def __init__(self, **kept):
        vars(self).update(kept)


def same(one, other):
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, Fitted):
        return type(one) is type(other) and same(one.kept(), other.kept())
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return type(other) is float and (one == other or (one != one and other != other))
    return type(one) is type(other) and one == other


def back(value, folder):
    save_fitted(value, folder, "it")
    return load_fitted(folder, "it")


texts = st.text() | st.text(alphabet=st.characters(), max_size=4) | st.sampled_from(["\ud800", "龘", "x" * LONG_TEXT])
plain = st.none() | st.booleans() | st.integers() | st.floats() | texts
numbers = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
values = st.recursive(
    plain | numbers,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2).map(lambda kept: Box(**kept))
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(value=values)
def test_what_is_packed_is_unpacked(value):
    kept = {}
    tree = json.loads(json.dumps(pack(value, kept)))
    assert same(value, unpack(tree, kept))


@settings(max_examples=40, deadline=None)
@given(value=values)
def test_saved_is_loaded(value, tmp_path_factory):
    box = Box(value=value)
    assert same(box, back(box, tmp_path_factory.mktemp("kept")))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (0, 2), (2, 3), (1, 2, 3)])
def test_arrays_of_every_type_and_shape(dtype, shape, tmp_path):
    array = (np.random.default_rng(0).random(shape) * 100).astype(dtype)
    assert same(Box(a=np.asarray(array)), back(Box(a=np.asarray(array)), tmp_path))


def test_arrays_of_every_order_and_view(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    for array in (whole.T, np.asfortranarray(whole), whole[::2, ::3], whole[:, ::-1], np.broadcast_to(1.5, (2, 3))):
        loaded = back(Box(a=array), tmp_path).a
        assert np.array_equal(loaded, array)
        assert loaded.dtype == array.dtype


def test_special_numbers(tmp_path):
    given = [0.1, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), 2**70, -(2**70)]
    loaded = back(Box(a=given, n=np.float32(0.1), i=np.int8(-3), t=np.bool_(True)), tmp_path)
    assert [repr(value) for value in loaded.a] == [repr(value) for value in given]
    assert (loaded.n, loaded.i, loaded.t) == (float(np.float32(0.1)), -3, True)
    assert type(loaded.t) is bool


@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
@pytest.mark.parametrize("shape", [(4, 5), (0, 3), (3, 0)])
def test_sparse(kind, shape, tmp_path):
    dense = np.where(np.random.default_rng(1).random(shape) < 0.4, 1.5, 0.0)
    loaded = back(Box(a=kind(dense)), tmp_path).a
    assert loaded.shape == shape
    assert np.array_equal(loaded.toarray(), dense)


def test_what_is_shared_is_kept_once_and_shared_again(tmp_path):
    inner = Box(words=np.arange(5000))
    once = save_fitted(Box(a=inner), tmp_path, "once")
    save_fitted(Box(a=inner, b=inner, c=[Box(d=inner), inner]), tmp_path, "often")
    assert (tmp_path / "often.safetensors").stat().st_size <= once[1].stat().st_size + 64
    loaded = load_fitted(tmp_path, "often")
    assert loaded.a is loaded.b is loaded.c[0].d is loaded.c[1]
    assert np.array_equal(loaded.a.words, np.arange(5000))


def test_caches_are_not_kept(tmp_path):
    loaded = back(Box(a=1, _cache=object()), tmp_path)
    assert vars(loaded) == {"a": 1}


def test_nor_do_copies_and_pickles_of_others_have_them():
    made = Box(held=[1.0, np.arange(3)])
    made._cache = "rows"
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert vars(again).keys() == {"held"}
        assert same(again.held, made.held)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.array(["a"]), np.array([None]), lambda: 0, Path("x")])
def test_what_cannot_be_kept_is_refused_when_saving(value, tmp_path):
    with pytest.raises(TypeError, match=r"not kept|cannot be kept"):
        save_fitted(Box(a=value), tmp_path, "it")
    assert not list(tmp_path.iterdir()), "half a fitted object was left behind"


def test_keys_that_are_no_text_are_refused_or_come_back(tmp_path):
    """A dict with numbers as keys must not come back with other keys."""
    try:
        save_fitted(Box(a={1: "one"}), tmp_path, "it")
    except TypeError:
        return
    assert load_fitted(tmp_path, "it").a == {1: "one"}


# ---- damage


@pytest.fixture
def kept(tmp_path):
    box = Box(a=np.arange(50.0), b=[1, "two", {"three": np.ones((2, 2))}], c=Box(d="x" * 5000))
    save_fitted(box, tmp_path, "it")
    return tmp_path


def refused(folder, *names):
    with pytest.raises(UserError) as caught:
        load_fitted(folder, "it")
    said = str(caught.value)
    assert any(name in said for name in names), said
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", ["it.json", "it.safetensors"])
def test_a_missing_file_is_named(kept, name):
    (kept / name).unlink()
    assert "missing" in refused(kept, name)


@pytest.mark.parametrize("name", ["it.json", "it.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_named(kept, name, share):
    content = (kept / name).read_bytes()
    (kept / name).write_bytes(content[: int(share * len(content))])
    refused(kept, name)


@settings(max_examples=120, deadline=None)
@given(where=st.floats(0, 0.999), byte=st.integers(0, 255), which=st.sampled_from(["it.json", "it.safetensors"]))
def test_a_changed_byte_is_noticed_or_harmless(where, byte, which, tmp_path_factory):
    """Whatever one byte does, loading gives an object or one sentence, never another error."""
    folder = tmp_path_factory.mktemp("damaged")
    save_fitted(Box(a=np.arange(5.0), b=[1, "two"], c=csr_matrix(np.eye(3)), d=Box(e=(1, float("inf")))), folder, "it")
    content = bytearray((folder / which).read_bytes())
    content[int(where * len(content))] = byte
    (folder / which).write_bytes(bytes(content))
    said = ""
    try:
        load_fitted(folder, "it")
    except UserError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    "tree",
    [
        {"$array": "99", "shape": [1]},
        {"$array": "0", "shape": [7, 7]},
        {"$array": ["0"], "shape": [50]},
        {"$same": 12},
        {"$fitted": "Box"},
        {"$unheard": 1},
        {"$csr": ["0"], "shape": [1, 1]},
        {"$csr": ["0", "0", "0"], "shape": [2, 2]},
        {"$float": "many"},
        {"$dict": [["a"]]},
        {"$dict": 3},
    ],
    ids=json.dumps,
)
def test_a_tree_that_is_no_tree_is_refused(kept, tree):
    (kept / "it.json").write_text(json.dumps({"$fitted": "Box", "number": 0, "kept": {"$dict": [["a", tree]]}}))
    with pytest.raises(UserError):
        load_fitted(kept, "it")


def test_a_damaged_tree_is_named_first(kept):
    (kept / "it.json").write_text('{"$fitted": "Box", "number": 0, "kept": {"$dict": [["a", {"$same": 12}]]}}')
    assert refused(kept, "it.json").startswith(str(kept / "it.json"))


@pytest.mark.parametrize("name", ["Nobody", "os.system", "object", "__class__", "Fitted.kinds"])
def test_a_class_that_is_not_ours_is_refused(kept, name):
    (kept / "it.json").write_text(json.dumps({"$fitted": name, "number": 0, "kept": {"$dict": []}}))
    assert name in refused(kept, "not known")


def test_something_else_than_an_object_is_refused_by_the_predictor(kept):
    from melior.predictor import Predictor

    for end in ("json", "safetensors"):
        (kept / f"it.{end}").rename(kept / f"predictor.{end}")
    with pytest.raises(UserError):
        Predictor.load(kept)


# ---- writing


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomic(path, "before")

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr("melior.storage.os.replace", fails)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "after")
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["file.txt"]


def test_writing_makes_folders_and_readable_files(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_atomic(path, "甲\r\n")
    assert path.read_bytes() == "甲\r\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert sha256(path) == __import__("hashlib").sha256(path.read_bytes()).hexdigest()


# ---- safety


@pytest.mark.parametrize("file", sorted(Path(melior.__file__).parent.rglob("*.py")), ids=lambda file: file.name)
def test_nothing_in_the_package_executes_what_it_reads(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not FORBIDDEN & {name.split(".")[0] for name in named}, f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in CALLS, f"line {node.lineno}: {node.func.id}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), f"line {node.value.lineno}"
            assert node.value.value is False
        if isinstance(node, ast.Attribute):
            assert not re.fullmatch(r"read_pickle|to_pickle|unsafe_load|full_load", node.attr), f"line {node.lineno}"
