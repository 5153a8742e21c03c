"""What paths say: the part of the data that a file belongs to, and its class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from blocks.data.files import File
from blocks.data.formats.folder.folder_metadata import METADATA
from blocks.data.formats.folder.members import Folder, Place
from blocks.data.formats.folder.tar_members import TarArchive
from blocks.data.formats.folder.zip_members import ZipArchive
from blocks.errors import warn

SPLITS: Final = ("train", "valid", "validation", "test")
_TARS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
_ARCHIVES: Final = (*_TARS, ".zip")


def places_of(files: Sequence[File]) -> list[Place]:
    """Archives that were named, or that are all there is in a folder; other files by the folder that was named."""
    archives = [_archive(file) for file in files]
    alone = all(archives)
    places: list[Place] = []
    for file, archive in zip(files, archives, strict=True):
        last = places[-1] if places else None
        if archive and (alone or not file.root):
            places.append(archive(file))
        elif isinstance(last, Folder) and last.files[0].root == file.root:
            last.files.append(file)
        else:
            places.append(Folder([file]))
    return places


def _archive(file: File) -> type[TarArchive] | type[ZipArchive] | None:
    name = file.path.lower()
    if not name.endswith(_ARCHIVES):
        return None
    return ZipArchive if name.endswith(".zip") else TarArchive


def folder_around(paths: Sequence[str]) -> str:
    """The folder that an archive was made of, with a slash, if it holds all there is: folders alone, or metadata.

    A folder with other files in it is a class.

    Example:
        >>> folder_around(["pets/cat/1.jpg", "pets/dog/1.jpg"]), folder_around(["cat/1.jpg", "cat/2.jpg"])
        ('pets/', '')
    """
    tops = {path.partition("/")[0] for path in paths}
    if len(tops) != 1 or tops & set(SPLITS):
        return ""
    around = f"{tops.pop()}/"
    inside = [path.removeprefix(around) for path in paths]
    return around if all("/" in path for path in inside) or set(METADATA) & set(inside) else ""


@dataclass(frozen=True)
class Layout:
    """What the folders of a path are.

    Args:
        split: Whether those at the top are parts of the data.
        label: Whether those below them are classes.
    """

    split: bool
    label: bool

    @classmethod
    def of(cls, paths: Iterable[str], description: str) -> "Layout":
        """What they are in paths of the same data; metadata apart."""
        tops: set[str] = set()
        deeper = False
        for path in paths:
            top, _, rest = path.partition("/")
            if rest:
                tops.add(top)
                deeper = deeper or top not in SPLITS or "/" in rest
        split = bool(tops) and tops <= set(SPLITS)
        if not split and tops & set(SPLITS):
            others = sorted(tops - set(SPLITS))
            warn(
                f"{description}: the folder {min(tops & set(SPLITS))!r} at the top is read as a class, for beside it "
                f"lies {others[0]!r}. Where the folders are parts of the data, all are of {', '.join(SPLITS)}."
            )
        return cls(split, deeper)

    def read(self, path: str) -> tuple[str | None, str | None]:
        """The part and the class of a file; None where it lies loose.

        Example:
            >>> Layout(split=True, label=True).read("train/cat/big/1.jpg")
            ('train', 'cat')
        """
        folders = path.split("/")[:-1]
        split = folders.pop(0) if self.split and folders else None
        return split, folders[0] if folders else None
