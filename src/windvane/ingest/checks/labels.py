"""Labels that their texts contradict: a category that the title does not fit, stars that the review denies.

Every text is judged by a model that has not seen its label: linear least squares with an L2 penalty on TF-IDF
weights of character n-grams, solved by conjugate gradients, in five folds. A label is suspected where another one
scores about as high as it does on average among the texts that carry it (confident learning: Northcutt, Jiang and
Chuang, Journal of Artificial Intelligence Research 70, 2021), ranked by the margin between the two. Character n-grams
need no dictionary and no word breaks, so that Chinese and English are judged alike.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

AS_USUAL = 0.8
"""Share of a label's average score that a text must reach for the label to be suggested; see benchmarks/checks.py."""
MOST = 200
"""Labels that are told apart at a time, the most frequent ones; rarer ones are neither judged nor suggested."""
LEAST = 5
"""Texts that a label must have to be judged, or to be suggested."""
_FOLDS = 5
_BITS = 18
_STEPS = 15
_PENALTY = 1.0
_LONGEST = 1000
_DENSE = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"  # scripts in which a character is a syllable or a word
_RUNS = re.compile(rf"[{_DENSE}]+|[^\W\d_{_DENSE}]+|\d+")

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suspect:
    """A label that its text contradicts.

    Attributes:
        index: place of the text.
        suggested: the label that fits better.
        margin: how much better, from 0; above about 0.5 little doubt is left.
    """

    index: int
    suggested: str
    margin: float


def suspects(texts: Sequence[str], labels: Sequence[str], rng: np.random.Generator) -> list[Suspect]:
    """Texts whose label another label fits better, most suspicious first.

    Args:
        texts: the texts; only the first thousand characters of each count.
        labels: their labels. Labels with fewer than :data:`LEAST` texts are neither judged nor suggested, nor are
            those that come after the :data:`MOST` most frequent.
        rng: deals the texts into folds.

    Returns:
        The suspects; none where fewer than two labels have enough texts.
    """
    names, codes = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    often = np.bincount(codes)
    common = np.sort(np.argsort(-often, kind="stable")[: min(MOST, int((often >= LEAST).sum()))])
    if len(common) < 2:
        return []
    chosen = [int(i) for i in np.flatnonzero(np.isin(codes, common))]
    place = np.full(len(names), -1)
    place[common] = np.arange(len(common))
    own = place[codes[chosen]]
    weights = _weights([texts[i] for i in chosen])
    if not weights.nnz:
        return []
    scores = _scores(weights, own, len(common), rng)
    rows = np.arange(len(own))
    usual = np.array([scores[own == label, label].mean() for label in range(len(common))])
    mine = scores[rows, own]
    others = scores.copy()
    others[rows, own] = -np.inf
    best = others.argmax(axis=1)
    margin = others[rows, best] - mine
    found = np.flatnonzero((others[rows, best] >= AS_USUAL * usual[best]) & (margin > 0))
    found = found[np.argsort(-margin[found], kind="stable")]
    return [Suspect(chosen[i], str(names[common[best[i]]]), float(margin[i])) for i in found]


def _scores(weights: sparse.csr_matrix, own: npt.NDArray[np.intp], count: int, rng: np.random.Generator) -> Array:
    """Score [text, label] of every text by a model that was fitted without it."""
    fold = rng.integers(_FOLDS, size=len(own))
    scores = np.zeros((len(own), count), np.float32)
    for each in range(_FOLDS):
        held = fold == each
        if held.any() and not held.all():
            scores[held] = weights[held] @ _fit(weights[~held], own[~held], count)
    return scores


def _fit(weights: sparse.csr_matrix, own: npt.NDArray[np.intp], count: int) -> Array:
    """Coefficients [feature, label]: conjugate gradients on the normal equations, all labels side by side."""
    target = sparse.csr_matrix((np.ones(len(own), np.float32), (np.arange(len(own)), own)), (len(own), count))
    across = weights.T.tocsr()
    left: Array = np.asarray((across @ target).todense(), np.float32)
    found: Array = np.zeros_like(left)
    step = left.copy()
    size = (left * left).sum(axis=0)
    for _ in range(_STEPS):
        image = across @ (weights @ step) + _PENALTY * step
        pace = size / np.maximum(1e-12, (step * image).sum(axis=0))
        found += pace * step
        left -= pace * image
        now = (left * left).sum(axis=0)
        step = left + now / np.maximum(size, 1e-12) * step
        size = now
    return found


def _weights(texts: Sequence[str]) -> sparse.csr_matrix:
    """TF-IDF weights [text, n-gram] of n-grams that occur at least twice, each row of length 1."""
    hashes: dict[str, int] = {}
    starts, found = [0], []
    for text in texts:
        grams = {hashes.setdefault(gram, zlib.crc32(gram.encode()) & ((1 << _BITS) - 1)) for gram in _grams(text)}
        found += sorted(grams)
        starts.append(len(found))
    counts = sparse.csr_matrix(
        (np.ones(len(found), np.float32), np.array(found, np.int32), np.array(starts)), (len(texts), 1 << _BITS)
    )
    often = np.bincount(counts.indices, minlength=1 << _BITS)
    kept = np.flatnonzero(often >= 2)
    rarity = np.log(len(texts) / np.maximum(1, often[kept])) + 1
    weighted = counts[:, kept] @ sparse.diags(rarity.astype(np.float32))
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (sparse.diags((1 / np.maximum(length, 1e-9)).astype(np.float32)) @ weighted).tocsr()


def _grams(text: str) -> list[str]:
    """N-grams of one to three characters in Chinese; words and parts of three and four letters elsewhere."""
    grams: list[str] = []
    for run in _RUNS.findall(text[:_LONGEST].lower()):
        dense = run[0] >= "\u3040"
        word = run if dense or run.isdigit() else f"<{run}>"
        if not dense:
            grams.append(word)
        for size in (1, 2, 3) if dense else (3, 4):
            grams += [word[i : i + size] for i in range(len(word) - size + 1)]
    return grams
