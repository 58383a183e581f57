"""Real texts in many languages out of Debian packages: manual pages (long) and message catalogues (one sentence).

A package is downloaded by apt-get and unpacked by dpkg, never installed; both are cached outside the repository, in
MELIOR_CACHE or ~/.cache/melior. Versions are those of the machine's release and are noted with the results.
"""

import gettext
import gzip
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from melior.proofs.sources import CACHE

PAGES = (
    "cs", "da", "de", "el", "es", "fi", "fr", "hu", "id", "it", "ja", "mk", "nb", "nl", "pl", "pt-br", "ro", "ru", "sr",
    "sv", "tr", "uk", "vi", "zh",
)  # fmt: skip
MESSAGES = ("libgtk-3-common", "nautilus-data", "gnome-shell-common", "dpkg", "aptitude-common")
CATALOGUES = ("gtk30", "nautilus", "gnome-shell", "dpkg", "aptitude")
EVERY = ("manpages", *(f"manpages-{code}" for code in PAGES), *MESSAGES)
SAME = {"no": "nb", "nn": "nb", "zh_CN": "zh", "zh_TW": "zh", "zh_HK": "zh", "pt_BR": "pt", "en_GB": "en"}


class Page(NamedTuple):
    """A manual page. file: its name with its section and without .gz, such as "ls.1"."""

    language: str
    section: str
    file: str
    text: str


def unpacked(names: Sequence[str] = EVERY, into: str = "tree") -> Path:
    """The folder with packages unpacked, downloaded on the first call. Processes that ask at once wait for each other.

    names  the packages
    into   a folder of the cache that is theirs alone
    """
    import fcntl  # as apt-get, not everywhere

    folder, kept = CACHE / "debian" / into, CACHE / "debian" / "packages"
    for made in (folder, kept):
        made.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            done = folder / f"{name}.done"  # written last: another folder may have the same package
            if done.exists():
                continue
            if not list(kept.glob(f"{name}_*.deb")):
                subprocess.run(["apt-get", "download", "-qq", name], cwd=kept, check=True)
            (package,) = kept.glob(f"{name}_*.deb")
            subprocess.run(["dpkg", "-x", package, folder], check=True)
            done.touch()
    return folder


def versions() -> list[str]:
    """The packages with their versions."""
    return sorted(path.stem.replace("%3a", ":") for path in (CACHE / "debian" / "packages").glob("*.deb"))


def language_of(locale: str) -> str | None:
    """The language of a locale's folder, None for a dialect or another script than is usual."""
    if locale in SAME:
        return SAME[locale]
    return None if re.search(r"[_@]", locale) else locale


# ---- one sentence


def translated() -> Iterator[tuple[str, str, str, str]]:
    """(language, catalogue, English message, what is said instead) of all catalogues, as they stand there."""
    for catalogue in CATALOGUES:
        for path in sorted(unpacked().rglob(f"locale/*/LC_MESSAGES/{catalogue}.mo")):
            language = language_of(path.parent.parent.name)
            if language is None:
                continue
            with path.open("rb") as file:
                pairs = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
            for key, said in pairs.items():
                original = key if isinstance(key, str) else key[0]
                yield language, catalogue, original.rpartition("\x04")[2], said


def messages() -> dict[str, list[str]]:
    """Language -> translated messages of four English words and more, without marks for programs, each once.

    What is translated into the very same words is left out; so are lines that hold a line break.
    """
    found: dict[str, dict[str, None]] = {"en": {}}
    for language, _, original, said in translated():
        if language != "en" and plain(said) == plain(original):
            continue
        if len(plain(original).split()) >= 4 and "\n" not in said.strip():
            found.setdefault(language, {})[plain(said)] = None
            found["en"][plain(original)] = None
    return {language: [text for text in texts if text] for language, texts in sorted(found.items())}


def plain(message: str) -> str:
    """A message without format marks and access keys."""
    message = re.sub(
        r"\(_\w\)|%(?:\d+\$)?[-+ #0]*\d*(?:\.\d+)?(?:l|ll|h|z)?[a-zA-Z%]|\{[^}]*\}|[_&](?=\w)", "", message
    )
    return " ".join(message.split())


# ---- paragraphs


def manual_pages(folder: Path | None = None) -> Iterator[Page]:
    """All manual pages of a folder of packages (default: of all languages), in roff; links to others and what is not
    UTF-8 are left out."""
    for path in sorted((unpacked() if folder is None else folder).rglob("usr/share/man/**/*.gz")):
        place = path.relative_to(next(p for p in path.parents if p.name == "man")).parts
        language = "en" if place[0].startswith("man") else language_of(place[0].split(".")[0])
        if language is None or path.is_symlink():
            continue
        try:
            text = gzip.decompress(path.read_bytes()).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        yield Page(language, path.parent.name.removeprefix("man")[:1], path.name[:-3], text)


def paragraphs(fewest: int = 200) -> dict[str, list[str]]:
    """Language -> paragraphs of manual pages of this many letters and more, without markup, each once."""
    found: dict[str, dict[str, None]] = {}
    for page in manual_pages():
        for paragraph in without_markup(page.text):
            if len(paragraph) >= (fewest if page.language not in ("zh", "ja") else fewest // 3):
                found.setdefault(page.language, {})[paragraph] = None
    return {language: list(texts) for language, texts in sorted(found.items())}


def without_markup(page: str) -> Iterator[str]:
    """The paragraphs of a page in roff, inside its sections, requests and escapes taken out."""
    lines: list[str] = []
    for line in page.splitlines():
        if re.match(r"['.]\s*(?:B|I|BR|RB|IR|RI|BI|IB|SM)\b", line):
            line = re.sub(r"^\.\s*\w+\s*", "", line).replace('"', "")
        if line.startswith((".", "'")) or not line.strip():
            if lines:
                yield cleaned(" ".join(lines))
            lines = []
        else:
            lines.append(line)
    if lines:
        yield cleaned(" ".join(lines))


def cleaned(text: str) -> str:
    text = re.sub(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d|\\&|\\%|\\/|\\,|\\c", "", text)
    text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\(em", "—").replace("\\ ", " ").replace("\\e", "\\")
    text = re.sub(r"\\\((?:lq|rq|oq|cq|dq)|\\\*\((?:lq|rq)|\\\[[^\]]*\]|\\\*\([A-Za-z]+", '"', text)
    return " ".join(re.sub(r"\\[\"'`:|^~]", "", text).split())
