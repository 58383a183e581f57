"""Real texts in many languages out of Debian packages: manual pages (long) and message catalogues (one sentence).

A package is downloaded by apt-get and unpacked by dpkg, never installed; both are cached outside the repository, in
MELIOR_CACHE or ~/.cache/melior. Versions are those of the machine's release and are noted with the results.
"""

import gettext
import gzip
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from melior.proofs.sources import CACHE

PAGES = (
    "cs", "da", "de", "el", "es", "fi", "fr", "hu", "id", "it", "ja", "mk", "nb", "nl", "pl", "pt-br", "ro", "ru", "sr",
    "sv", "tr", "uk", "vi", "zh",
)  # fmt: skip
MESSAGES = ("libgtk-3-common", "nautilus-data", "gnome-shell-common", "dpkg", "aptitude-common")
CATALOGUES = ("gtk30", "nautilus", "gnome-shell", "dpkg", "aptitude")
SAME = {"no": "nb", "nn": "nb", "zh_CN": "zh", "zh_TW": "zh", "zh_HK": "zh", "pt_BR": "pt", "en_GB": "en"}


def unpacked() -> Path:
    """The folder with all packages unpacked, downloaded on the first call."""
    folder, kept = CACHE / "debian" / "tree", CACHE / "debian" / "packages"
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("manpages", *(f"manpages-{code}" for code in PAGES), *MESSAGES):
        if not list(kept.glob(f"{name}_*.deb")):
            subprocess.run(["apt-get", "download", "-qq", name], cwd=kept, check=True)
            (package,) = kept.glob(f"{name}_*.deb")
            subprocess.run(["dpkg", "-x", package, folder], check=True)
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


def messages() -> dict[str, list[str]]:
    """Language -> translated messages of four English words and more, without marks for programs, each once.

    What is translated into the very same words is left out; so are lines that hold a line break.
    """
    found: dict[str, dict[str, None]] = {"en": {}}
    for catalogue in CATALOGUES:
        for path in sorted(unpacked().rglob(f"locale/*/LC_MESSAGES/{catalogue}.mo")):
            language = language_of(path.parent.parent.name)
            if language is None:
                continue
            with path.open("rb") as file:
                pairs = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
            for key, said in pairs.items():
                original = key if isinstance(key, str) else key[0]
                original = original.rpartition("\x04")[2]
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


def paragraphs(fewest: int = 200) -> dict[str, list[str]]:
    """Language -> paragraphs of manual pages of this many letters and more, without markup, each once."""
    found: dict[str, dict[str, None]] = {}
    for path in sorted(unpacked().rglob("usr/share/man/**/*.gz")):
        folder = path.relative_to(next(p for p in path.parents if p.name == "man")).parts[0]
        language = "en" if folder.startswith("man") else language_of(folder.split(".")[0])
        if language is None or path.is_symlink():
            continue
        try:
            text = gzip.decompress(path.read_bytes()).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for paragraph in without_markup(text):
            if len(paragraph) >= (fewest if language not in ("zh", "ja") else fewest // 3):
                found.setdefault(language, {})[paragraph] = None
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
