"""Compiled sums over groups, many columns at once, and the steps of conjugate gradients on them.

Blocks are float64 [rows, columns], C-contiguous; every column is a problem of its own.
"""

from __future__ import annotations

from numba import njit


@njit("void(i4[::1], f8[:,::1], f8[:,::1])", cache=True, nogil=True)
def add_up(group, values, out):  # type: ignore[no-untyped-def]
    """Write into every row of ``out`` the sum of the rows of ``values`` in that group, in row order."""
    out[:] = 0.0
    for i in range(values.shape[0]):
        g = group[i]
        for h in range(values.shape[1]):
            out[g, h] += values[i, h]


@njit("void(i4[::1], f8[:,::1], f8[:,::1])", cache=True, nogil=True)
def hand_down(group, values, out):  # type: ignore[no-untyped-def]
    """Add to every row of ``out`` the row of its group in ``values``."""
    for i in range(out.shape[0]):
        g = group[i]
        for h in range(out.shape[1]):
            out[i, h] += values[g, h]


@njit("void(f4[:,::1], i4[::1], f8, f4[:,::1])", cache=True, nogil=True)
def filled(sales, start, alpha, out):  # type: ignore[no-untyped-def]
    """Write sales with unknown cells replaced by the exponentially weighted mean of the known ones before them.

    0 before ``start`` and until the first known cell.
    """
    for i in range(sales.shape[0]):
        mean, seen = 0.0, False
        for t in range(sales.shape[1]):
            y = sales[i, t]
            if t < start[i]:
                out[i, t] = 0.0
            elif y == y:
                mean = mean + alpha * (y - mean) if seen else y
                seen = True
                out[i, t] = y
            else:
                out[i, t] = mean


@njit("void(i4[::1], f8[:,::1], f8[:,::1])", cache=True, nogil=True)
def scale_rows(group, factor, out):  # type: ignore[no-untyped-def]
    """Multiply every row of ``out`` by the row of its group in ``factor``."""
    for i in range(out.shape[0]):
        g = group[i]
        for h in range(out.shape[1]):
            out[i, h] *= factor[g, h]


@njit("void(b1[:,::1], f8[::1], f8[:,::1], f8[:,::1], f8[::1])", cache=True, nogil=True)
def weighted_squares(free, scale, left, right, out):  # type: ignore[no-untyped-def]
    """Write sums over the free rows of ``scale * left * right`` into ``out`` [columns]."""
    out[:] = 0.0
    for i in range(left.shape[0]):
        for h in range(left.shape[1]):
            if free[i, h]:
                out[h] += scale[i] * left[i, h] * right[i, h]


@njit("void(b1[:,::1], f8[::1], f8[:,::1], f8[::1], f8[:,::1])", cache=True, nogil=True)
def turn(free, scale, residual, beta, direction):  # type: ignore[no-untyped-def]
    """New search direction: preconditioned residual plus ``beta`` times the old one; 0 where not free."""
    for i in range(residual.shape[0]):
        for h in range(residual.shape[1]):
            if free[i, h]:
                direction[i, h] = scale[i] * residual[i, h] + beta[h] * direction[i, h]
            else:
                direction[i, h] = 0.0


@njit("void(f8[::1], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1])", cache=True, nogil=True)
def advance(alpha, direction, image, point, residual):  # type: ignore[no-untyped-def]
    """Go ``alpha`` along the direction, and take its image off the residual."""
    for i in range(point.shape[0]):
        for h in range(point.shape[1]):
            point[i, h] += alpha[h] * direction[i, h]
            residual[i, h] -= alpha[h] * image[i, h]
