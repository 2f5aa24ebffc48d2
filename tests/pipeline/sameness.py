"""Whether two things are equal to the last bit, whatever they are made of."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal


def assert_same(left, right, where):
    """Fail where ``left`` and ``right`` differ; ``where`` names the place."""
    if is_dataclass(left):
        assert type(left) is type(right), where
        for field in fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name), f"{where}.{field.name}")
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype, where
        np.testing.assert_array_equal(left, right, err_msg=where)
    elif isinstance(left, pl.DataFrame):
        try:
            assert_frame_equal(left, right, check_exact=True)
        except AssertionError as difference:
            raise AssertionError(f"{where}: {difference}") from None
    elif isinstance(left, pl.Series):
        assert left.equals(right), where
    elif isinstance(left, Mapping):
        assert list(left) == list(right), where
        for name in left:
            assert_same(left[name], right[name], f"{where}[{name}]")
    else:
        assert left == right, where
