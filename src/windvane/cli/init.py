"""``windvane init``: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, app, emit, say
from windvane.errors import ConfigError


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new workspace.")] = Path("."),
    name: Annotated[str, typer.Option(help="Name of the shop.")] = "my shop",
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the shop's currency.")] = "USD",
    country: Annotated[str, typer.Option(help="ISO 3166 code, for public holidays.")] = "US",
    language: Annotated[str, typer.Option(help="Language of sentences in results: en or zh.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Make a new workspace."""
    from pydantic import ValidationError

    from windvane.config import Shop
    from windvane.store import Workspace

    try:
        shop = Shop.model_validate({"name": name, "currency": currency, "country": country, "language": language})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--{first['loc'][0]}: {first['msg'].lower()}.", "Correct the option.") from None
    workspace = Workspace.create(folder, shop)
    where = "" if workspace.folder == Path.cwd() else f" -w {folder}"
    if as_json:
        emit({"workspace": str(workspace.folder)})
    else:
        say(f"[green]✓[/] Workspace {workspace.folder} is ready. Next: windvane ingest FILES --mapping NAME{where}")
