"""What a collection has deleted, or would delete."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dispatcher.store.content.unused import StoredFile


@dataclass(frozen=True)
class Collected:
    """How much of one kind was deleted.

    Attributes:
        count: How many things.
        bytes: How large they were; 0 where that is not known.
    """

    count: int = 0
    bytes: int = 0

    def __add__(self, other: "Collected") -> "Collected":
        return Collected(self.count + other.count, self.bytes + other.bytes)

    @staticmethod
    def of(files: Iterable[StoredFile]) -> "Collected":
        """The count and size of files."""
        sizes = [file.size for file in files]
        return Collected(len(sizes), sum(sizes))


def pieces(files: Sequence[StoredFile], size: int) -> Iterator[Sequence[StoredFile]]:
    """The files, at most `size` at a time."""
    return (files[start : start + size] for start in range(0, len(files), size))
