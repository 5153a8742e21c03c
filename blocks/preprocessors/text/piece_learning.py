"""Learning of pieces: from words and how many texts hold each, to the vocabulary of `Subword`. No block.

Byte-pair merges over characters, with WordPiece's marks: a piece that does not begin a word is led by "##".
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

CONTINUED: Final = "##"
"""What leads a piece that continues a word."""

_DEAD: Final = -1


def learned_pieces(words: Sequence[str], counts: np.ndarray, number: int) -> list[str]:
    """The pieces of a vocabulary: single characters by falling count, then what was merged, in the order of merges.

    The most frequent pair of neighbours becomes a piece, again and again; of equally frequent ones, the pair whose left
    and then right piece stands earlier. Half of the pieces at most are single characters, the most frequent ones; words
    with others are not learned from. Every merge costs what it touches, so that all of them cost little more than the
    characters of the distinct words.

    Args:
        words: Distinct, none empty, in an order that does not depend on chunks.
        counts: (words,) int64, how often each is to be counted.
        number: Of pieces, at most; fewer where no two neighbours occur twice.

    Example:
        >>> learned_pieces(["low", "lower", "lot"], np.array([5, 2, 1]), 12)
        ['##o', 'l', '##w', '##e', '##r', '##t', 'lo', 'low', '##er', 'lower']

    Source: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units" (2016); the marks are
        those of Schuster, Nakajima, "Japanese and Korean Voice Search" (2012). So does Hugging Face's
        `WordPieceTrainer`.
    """
    alphabet: Counter[str] = Counter()
    for word, count in zip(words, counts.tolist(), strict=True):
        for place, character in enumerate(word):
            alphabet[character if not place else CONTINUED + character] += count
    ordered = sorted(alphabet, key=lambda piece: (-alphabet[piece], piece.encode()))
    merges = _Merges(ordered[: max(number // 2, 1)], words, counts)
    while len(merges.pieces) < number and merges.merge():
        pass
    return merges.pieces


class _Merges:
    """The words as runs of pieces in flat arrays, and where each pair of neighbours stands."""

    def __init__(self, pieces: list[str], words: Sequence[str], counts: np.ndarray) -> None:
        self.pieces = list(pieces)
        self._ids = {piece: place for place, piece in enumerate(pieces)}
        spelled, weights = [], []
        for word, count in zip(words, counts.tolist(), strict=True):
            ids = [self._ids.get(CONTINUED * (place > 0) + one, _DEAD) for place, one in enumerate(word)]
            if _DEAD not in ids:
                spelled.append(ids)
                weights.append(count)
        lengths = np.array([len(ids) for ids in spelled], np.int64)
        # a dead piece ends each word, so that neighbours never reach over; one stands before the first
        self._piece = np.full(1 + lengths.sum() + len(lengths), _DEAD, np.int64)
        begins = 1 + np.cumsum(lengths + 1) - (lengths + 1)
        places = np.arange(lengths.sum()) + np.repeat(begins - np.cumsum(lengths) + lengths, lengths)
        self._piece[places] = np.concatenate([np.zeros(0, np.int64), *map(np.asarray, spelled)])
        self._weight = np.zeros(len(self._piece), np.int64)
        self._weight[places] = np.repeat(np.array(weights, np.int64), lengths)
        self._next = np.arange(1, len(self._piece) + 1)
        self._before = np.arange(-1, len(self._piece) - 1)
        self._count: dict[tuple[int, int], int] = {}
        self._places: dict[tuple[int, int], list[np.ndarray]] = {}
        self._queue: list[tuple[int, int, int]] = []
        self._add(places)

    def merge(self) -> bool:
        """Merge the most frequent pair; False where none occurs twice."""
        while self._queue:
            negative, left, right = heapq.heappop(self._queue)
            count = self._count.get((left, right), 0)
            if count == -negative:
                if count < 2:
                    return False
                self._merged(left, right)
                return True
            if 0 < count < -negative:  # what has become more was queued when it did
                heapq.heappush(self._queue, (-count, left, right))
        return False

    def _merged(self, left: int, right: int) -> None:
        text = self.pieces[left] + self.pieces[right].removeprefix(CONTINUED)
        merged = self._ids.setdefault(text, len(self.pieces))
        if merged == len(self.pieces):
            self.pieces.append(text)
        first = self._where(left, right)
        second = self._next[first]
        after = self._next[second]
        self._remove(np.concatenate([self._before[first], second]))
        del self._count[left, right], self._places[left, right]
        self._piece[first], self._piece[second] = merged, _DEAD
        self._next[first], self._before[after] = after, first
        self._add(np.concatenate([self._before[first], first]))

    def _where(self, left: int, right: int) -> np.ndarray:
        """Where the pair stands, from left to right, none of them overlapping another."""
        places = np.unique(np.concatenate(self._places[left, right]))
        places = places[self._piece[places] == left]
        places = places[self._piece[self._next[places]] == right]
        if left != right or len(places) < 2:
            return places
        # in a run of equal pieces every second begins a pair
        begins = np.concatenate([[True], self._next[places[:-1]] != places[1:]])
        within = np.arange(len(places)) - np.maximum.accumulate(np.where(begins, np.arange(len(places)), 0))
        return places[within % 2 == 0]

    def _pairs(self, places: np.ndarray) -> tuple[list[tuple[int, int]], list[int], list[np.ndarray]]:
        """The pairs that begin at places, each one's weight there, and where each begins."""
        places = np.unique(places)
        left, right = self._piece[places], self._piece[self._next[places] % len(self._piece)]
        there = (left != _DEAD) & (right != _DEAD)
        places, keys = places[there], left[there] << 32 | right[there]
        order = np.argsort(keys, kind="stable")
        keys, begins = np.unique(keys[order], return_index=True)
        if not len(keys):
            return [], [], []
        weights = np.add.reduceat(self._weight[places[order]], begins)
        pairs = list(zip((keys >> 32).tolist(), (keys & 0xFFFFFFFF).tolist(), strict=True))
        return pairs, weights.tolist(), np.split(places[order], begins[1:])

    def _remove(self, places: np.ndarray) -> None:
        for pair, weight, _ in zip(*self._pairs(places), strict=True):
            self._count[pair] -= weight

    def _add(self, places: np.ndarray) -> None:
        for pair, weight, where in zip(*self._pairs(places), strict=True):
            count = self._count[pair] = self._count.get(pair, 0) + weight
            self._places.setdefault(pair, []).append(where)
            heapq.heappush(self._queue, (-count, *pair))
