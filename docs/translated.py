"""Chinese for what the reference pages take from the code, kept as data in docs/zh/*.yaml.

An entry stands under the name of its item (a check, a method, a command, ...; for people, nothing looks it up), and its
key is the digest of the English sentence that it translates:

    class_weights:
      "3f2a91c0": 按类别给每一行加权

English without an entry stands on the Chinese page in English with a mark, so a new file of code needs no edit here.
When an English sentence changes, its entry translates nothing that is said any more: that is an error, see `outdated`.
"""

import hashlib
from pathlib import Path

import yaml

MARK = "（未翻译）"
FRAME = "page"  # the item of words that belong to the pages themselves


def digest(english: str) -> str:
    """The key of an entry: eight hexadecimal digits, the same for the same words however they are spaced."""
    return hashlib.sha256(" ".join(english.split()).encode()).hexdigest()[:8]


class English:
    """Says what it is given. The same calls on `Chinese` give the other language."""

    def __call__(self, english: str, item: str = FRAME) -> str:
        """The sentence in this language; item: where it comes from."""
        return english

    def form(self, template: str, *values: object) -> str:
        """A template in this language with its `{}` filled in."""
        return self(template).format(*values)


class Chinese(English):
    """Says the same from the entries of a folder, and remembers which entries were used and which English had none."""

    def __init__(self, folder: Path) -> None:
        self.entries: dict[str, tuple[str, str, str]] = {}  # digest -> file, item, Chinese
        for file in sorted(folder.glob("*.yaml")):
            for item, texts in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).items():
                for key, chinese in texts.items():
                    assert isinstance(key, str), f"{file.name}: {item}: put {key} in quotes"
                    assert key not in self.entries, f"{file.name}: {item}: {key} stands twice"
                    self.entries[key] = (file.name, item, chinese)
        self.used: dict[str, str] = {}  # digest -> English
        self.without: dict[str, dict[str, str]] = {}  # item -> digest -> English

    def __call__(self, english: str, item: str = FRAME) -> str:
        key = digest(english)
        if not english:
            return ""
        if key in self.entries:
            self.used[key] = english
            return self.entries[key][2]
        self.without.setdefault(item, {})[key] = " ".join(english.split())
        return f"{english}{MARK}"

    def outdated(self) -> list[str]:
        """A sentence for each entry whose English is said nowhere, once all pages were made."""
        said = []
        for key, (file, item, chinese) in self.entries.items():
            if key in self.used:
                continue
            now = "; ".join(f'"{new}": {english}' for new, english in self.without.get(item, {}).items())
            said.append(
                f"docs/zh/{file}: {item}: the English of {key} ({chinese[:20]}) has changed: translate it anew, "
                f"or take the entry out.{f' Without Chinese is now {now}' if now else ''}"
            )
        return said

    def lacking(self) -> str:
        """Entries to be written, as YAML with English in place of Chinese; empty where nothing lacks."""
        if not self.without:
            return ""
        return str(yaml.safe_dump(self.without, allow_unicode=True, sort_keys=False, width=10_000))
