"""Sums of series by group."""

from __future__ import annotations

import numpy as np


def sum_by(code: np.ndarray, values: np.ndarray, count: int | None = None) -> np.ndarray:
    """Sum rows by group.

    A product with a sparse matrix: many times faster than ``numpy.add.at`` on long rows, and in row order.

    Args:
        code: group of every row, int [rows], from 0.
        values: [rows, ...]; no NaN.
        count: number of groups, where more than ``code`` names.

    Returns:
        float64 [groups, ...].
    """
    from scipy.sparse import csr_matrix

    groups = int(code.max(initial=-1)) + 1 if count is None else count
    member = csr_matrix((np.ones(len(code)), (code, np.arange(len(code)))), shape=(groups, len(code)))
    flat = values.reshape(len(code), -1).astype(np.float64)
    return np.asarray(member @ flat).reshape(groups, *values.shape[1:])
