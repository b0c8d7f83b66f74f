"""Files as they lie on disk, one document at a time: plain, gzipped, in folders, in zip archives."""

import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from commands.sources.reading import Item, Skipped

MOST_BYTES = 96 * 1024 * 1024
"""The largest single document that is taken into memory; the SEC's largest company file is a fifth of it."""

DAMAGED = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, UnicodeDecodeError)
"""What reading compressed data raises where it is not whole."""

UNREADABLE = (OSError, RuntimeError)
"""What reading a file raises otherwise: RuntimeError where it is encrypted, or packed in a way not known here."""

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a JSON document raises."""

_CIK_IN_NAME = re.compile(r"CIK([0-9]{10})")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A whole JSON document and where it came from."""

    place: str
    name: str
    content: bytes


class DocumentAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A document that has not been read yet; `member` is its name inside the archive `path`, if it is in one."""

    path: Path
    member: str | None = None

    @property
    def place(self) -> str:
        """How a report names the document."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The file name without its folder."""
        return Path(self.member).name if self.member else self.path.name


def cik_in_name(name: str) -> int | None:
    """This will give the CIK that a file name such as CIK0000320193.json carries."""
    found = _CIK_IN_NAME.search(name)
    return int(found[1]) if found else None


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; under a name that no file can have there is none."""
    try:
        return path.exists()
    except OSError:
        return False


def files_under(path: Path, *, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """This will list a file, or the files with one of the suffixes in a folder and below it, in name order."""
    if is_there(path) and path.is_dir():
        for found in sorted(path.rglob("*")):
            if found.is_file() and found.name.endswith(suffixes):
                yield found
    else:
        yield path


def find_documents(paths: Iterable[Path]) -> Iterator[DocumentAddress | Skipped]:
    """
    This will find every JSON document (.json, .json.gz) in files, folders and zip archives, reading none of them.

    A path that does not exist or an archive whose table of contents is damaged comes out as `Skipped`.
    """
    for path in paths:
        for found in files_under(path, suffixes=(".json", ".json.gz", ".zip")):
            if not is_there(found):
                yield Skipped(place=str(found), reason="there is no such file or folder; check the path")
            elif found.name.endswith(".zip"):
                yield from _members(found)
            else:
                yield DocumentAddress(path=found)


def is_left_out(document: Document, item: Item) -> bool:
    """Whether an item says that nothing of a document could be used."""
    return isinstance(item, Skipped) and item.place == document.place


class DocumentReader:
    """Reads documents one by one, keeping an archive open while its members follow each other."""

    def __init__(self) -> None:
        self._archive: zipfile.ZipFile | None = None
        self._path: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._archive is not None:
            self._archive.close()

    def read(self, address: DocumentAddress) -> Document | Skipped:
        """This will bring a whole document into memory, or say why that cannot be done."""
        try:
            if address.member is not None:
                with self._opened(address.path).open(address.member) as member:
                    content = member.read(MOST_BYTES + 1)
            else:
                with address.path.open("rb") as file:
                    content = file.read(MOST_BYTES + 1)
            if address.name.endswith(".gz"):
                content = _expanded(content)
        except DAMAGED as error:
            return Skipped(
                place=address.place, reason=f"the compressed data is truncated or damaged ({error}); fetch it again"
            )
        except UNREADABLE as error:
            return Skipped(place=address.place, reason=f"it cannot be read: {error}")
        if len(content) > MOST_BYTES:
            return Skipped(place=address.place, reason=f"it is larger than {MOST_BYTES // 2**20} MiB unpacked")
        return Document(place=address.place, name=address.name, content=content)

    def _opened(self, path: Path) -> zipfile.ZipFile:
        if self._archive is None or self._path != path:
            if self._archive is not None:
                self._archive.close()
            self._archive, self._path = zipfile.ZipFile(path), path
        return self._archive


def _members(path: Path) -> Iterator[DocumentAddress | Skipped]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith((".json", ".json.gz"))]
    except DAMAGED as error:
        yield Skipped(place=str(path), reason=f"the zip archive is truncated or damaged ({error}); fetch it again")
        return
    except UNREADABLE as error:
        yield Skipped(place=str(path), reason=f"it cannot be read: {error}")
        return
    if not names:
        yield Skipped(place=str(path), reason="the zip archive holds no JSON file")
    for name in sorted(names):
        yield DocumentAddress(path=path, member=name)


def _expanded(content: bytes) -> bytes:
    expanded = bytearray()
    while content:
        expander = zlib.decompressobj(wbits=31)
        expanded += expander.decompress(content, MOST_BYTES + 1 - len(expanded))
        if len(expanded) > MOST_BYTES:
            break
        if not expander.eof:
            raise EOFError("it ends before its end-of-stream marker")
        content = expander.unused_data.lstrip(b"\0")
    return bytes(expanded)
