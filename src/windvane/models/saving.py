"""Fitted models on disk: arrays as .npy, values as JSON, texts as .txt. Nothing on disk is ever executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from windvane.errors import ModelError
from windvane.models import registry
from windvane.models.base import Artifact
from windvane.models.wrappers.calibrate import FittedCalibrated, restored

_FORMAT = 1


def write(folder: Path, parts: Mapping[str, Artifact], values: Mapping[str, Any]) -> None:
    """Write the parts of a model into a new folder.

    Raises:
        ModelError: the folder exists already.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ModelError(f"{folder} exists already.", "Save into a new folder.") from None
    for name, part in parts.items():
        (folder / name).mkdir()
        for key, array in part.arrays.items():
            np.save(folder / name / f"{key}.npy", array, allow_pickle=False)
        for key, text in part.texts.items():
            (folder / name / f"{key}.txt").write_text(text, encoding="utf-8")
        (folder / name / "values.json").write_text(json.dumps(dict(part.values)), encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({"format": _FORMAT, **values}), encoding="utf-8")


def load(folder: Path) -> FittedCalibrated:
    """Read a model that :meth:`FittedCalibrated.save` wrote.

    Raises:
        ModelError: the folder holds no model, or one of another format.
    """
    try:
        values = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        parts = {part.name: _part(part) for part in folder.iterdir() if part.is_dir()}
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no readable model ({error}).", "Run the pipeline again.") from None
    if values.get("format") != _FORMAT:
        raise ModelError(f"{folder} was written by another version of Windvane.", "Run the pipeline again.")
    return restored(values["name"], registry.point_model(values["name"]), parts, values)


def _part(folder: Path) -> Artifact:
    return Artifact(
        arrays={f.stem: np.load(f, allow_pickle=False) for f in folder.glob("*.npy")},
        values=json.loads((folder / "values.json").read_text(encoding="utf-8")),
        texts={f.stem: f.read_text(encoding="utf-8") for f in folder.glob("*.txt")},
    )
