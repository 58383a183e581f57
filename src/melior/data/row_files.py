"""The files of a source that is read in blocks: JSONL or Parquet, one or a folder of them; anything else is refused."""

from pathlib import Path

from melior.data.files import GZIP, PARQUET, REFUSED, ZSTD, is_parquet
from melior.errors import UserError

LINES, COLUMNS = (".jsonl", ".ndjson"), (".parquet",)
HEAD = 4096  # bytes that are looked at


def files_of(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The file, or those of a folder in the order of their names, and sentences for people.

    UserError: no such file, another format, compressed; a folder with files of both formats or of none.
    """
    if not path.is_dir():
        _checked(path)
        return [path], ()
    there = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith((".", "_")))
    kinds = [[file for file in there if file.suffix.lower() in kind] for kind in (LINES, COLUMNS)]
    if all(kinds) or not any(kinds):
        what = "both JSONL and Parquet files" if all(kinds) else "no unpacked JSONL or Parquet files"
        raise UserError(f"{path}: the folder holds {what}; give one with files of one of the two.")
    found = kinds[0] or kinds[1]
    for file in found:
        _checked(file)
        if is_parquet(file) != is_parquet(found[0]):
            raise UserError(f"{path}: {file.name} is of another format than {found[0].name}; part them.")
    left = len(there) - len(found)
    return found, (f"{path.name}: files of other kinds in the folder were left out: {left:,}",) if left else ()


def _checked(path: Path) -> None:
    """Refuses what is no JSONL or Parquet file, with what to do."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise UserError(f"{path}: it cannot be read ({error.strerror}); name a JSONL or Parquet file.") from None
    if head.startswith(PARQUET):
        return
    if head.startswith((GZIP, ZSTD)):
        raise UserError(f"{path.name}: a compressed file cannot be read in blocks; unpack it, or write Parquet.")
    what = next((said for magic, said, _ in REFUSED if head.startswith(magic)), None)
    if what is None and path.suffix.lower() not in (*LINES, ".json") and not head.lstrip().startswith(b"{"):
        what = "is no JSONL or Parquet file"
    if what is None and head.lstrip().startswith(b"["):
        what = "is one JSON array, not an object a line"
    if what is None and b"\0" in head:
        what = "is not UTF-8"
    if not head:
        raise UserError(f"{path.name}: the file is empty.")
    if what is not None:
        raise UserError(f"{path.name}: this {what} and cannot be read in blocks; write it as JSONL or Parquet.")
