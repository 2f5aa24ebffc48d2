"""``windvane init``: a new workspace, with a mapping for files that nobody has described yet."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windvane.cli.app import AsJson, app, console, emit, say
from windvane.errors import ConfigError, InputError, StoreError

if TYPE_CHECKING:
    from windvane.config import Shop
    from windvane.ingest.guess.files import FileGuess
    from windvane.ingest.guess.shop import Facts

_HORIZONS = {"1w": 8, "1mo": 6}


@app.command()
def init(
    folder: Annotated[list[Path] | None, typer.Argument(help="Folder of the new workspace; default here.")] = None,
    start: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Files to look at, for a mapping; may be given several times."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the shop.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code of the shop's currency.")] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166 code, for public holidays.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of sentences in results: en or zh.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a new workspace; with --from also a mapping, guessed from your own files."""
    place, files = _sorted_out(folder or [], start or [])
    options = {"name": name, "currency": currency, "country": country, "language": language}
    given = {key: value for key, value in options.items() if value is not None}
    if not files:
        shop = _shop(given)
        workspace = _created(place, shop)
        where = "" if workspace == Path.cwd() else f" -w {shlex.quote(str(place))}"
        if as_json:
            emit({"workspace": str(workspace)})
        else:
            say(f"[green]✓[/] Workspace {workspace} is ready. Next: windvane ingest FILES --mapping NAME{where}")
        return
    _from_files(place, files, given, as_json)


def _sorted_out(places: list[Path], files: list[Path]) -> tuple[Path, list[Path]]:
    """The workspace's folder and the files: ``--from *.csv`` leaves all but the first file among the arguments."""
    more = [path for path in places if path.is_file()] if files else []
    rest = [path for path in places if path not in more]
    if len(rest) > 1:
        raise ConfigError(f"{rest[0]} and {rest[1]} cannot both be the workspace.", "Give one folder.")
    return (rest[0] if rest else Path(".")), [*files, *more]


def _shop(given: dict[str, str]) -> Shop:
    from pydantic import ValidationError

    from windvane.config import Shop

    try:
        shop = Shop.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--{first['loc'][0]}: {first['msg'].lower()}.", "Correct the option.") from None
    if "country" in given:
        from windvane.ingest.calendar import countries

        if shop.country not in countries():
            raise ConfigError(f"--country: no country has the code {shop.country}.", "Give its ISO 3166 code, as DE.")
    return shop


def _created(place: Path, shop: Shop) -> Path:
    from windvane.store import Workspace

    return Workspace.create(place, shop).folder


def _from_files(place: Path, files: list[Path], given: dict[str, str], as_json: bool) -> None:
    """Look at files first, so that nothing is made where nothing can be made of them."""
    from rich.markup import escape

    from windvane.config import CONFIG_NAME
    from windvane.ingest import read
    from windvane.ingest.guess.files import guess_file
    from windvane.ingest.guess.match import matched
    from windvane.ingest.guess.phrase import Local
    from windvane.ingest.guess.shop import facts_of, known_exports, text_of
    from windvane.ingest.guess.write import write

    items = read.items(files)
    if not items:
        raise InputError("There is no file to look at.", "Give files, or a folder that holds some.")
    known = known_exports(items)
    guesses = {item: guess_file(item) for item in items}
    facts = facts_of(list(guesses.values()))
    texts = {shop: text_of(shop, facts) for shop in known}
    taken = {item for found in known.values() for item in found}
    unknown, matches = matched([guess for item, guess in guesses.items() if item not in taken])
    if unknown:
        texts[""] = write(unknown, Local(facts.zone))
    told = {"currency": facts.currency, "country": facts.country, "language": facts.language}
    shop = _shop({**told, **given})
    fresh = not (place / CONFIG_NAME).exists()
    if fresh:
        _created(place, shop)
        _period(place / CONFIG_NAME, facts)
    paths: dict[str, Path] = {}
    for label, text in texts.items():
        paths[label] = _written(place, label if len(texts) > 1 else "", text)
    commands = _commands(place, files, {paths[label]: known.get(label) for label in texts})
    if as_json:
        emit(
            {
                "workspace": str(place.absolute()),
                "shop": shop.model_dump() if fresh else None,
                "known": {label: [item.label for item in found] for label, found in known.items()},
                "mappings": [str(path) for path in paths.values()],
                "files": [_as_dict(guess) for guess in unknown],
                "matches": [asdict(match) for match in matches],
                "next": commands,
            }
        )
        return
    _tell(place if fresh else None, shop, facts, known, unknown)
    for match in matches:
        mark = "[green]✓[/]" if match.good else "[yellow]·[/]"
        doubt = "" if match.good else "; do both use the same code?"
        names = (
            f"{escape(match.file)} knows {match.found:,} of the {match.products:,} products in {escape(match.orders)}"
        )
        say(f"{mark} {names}{doubt}")
    for path in paths.values():
        say(f"[green]✓[/] {path}: read it and correct what is wrong, then:")
    for command in commands:
        say(f"  {command}")


def _written(place: Path, label: str, text: str) -> Path:
    """Write a mapping beside the settings; one that is there stays as it is."""
    stem = f"mapping-{label}" if label else "mapping"
    path, number = place / f"{stem}.toml", 2
    while path.exists():
        path, number = place / f"{stem}-{number}.toml", number + 1
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error.strerror}.", "Check the folder.") from None
    return path


def _period(path: Path, facts: Facts) -> None:
    """Sales by week or month are forecast by week or month."""
    if facts.freq == "1d":
        return
    text = path.read_text(encoding="utf-8")
    text = text.replace('# freq = "1d"', f'freq = "{facts.freq}"')
    text = text.replace("# horizon = 28", f"horizon = {_HORIZONS[facts.freq]}")
    path.write_text(text, encoding="utf-8")


def _commands(place: Path, files: list[Path], mappings: dict[Path, Any]) -> list[str]:
    """What to type next, with paths that work from here."""
    where = "" if place.absolute() == Path.cwd() else f" -w {shlex.quote(str(place))}"
    commands = []
    for path, items in mappings.items():
        own = files if items is None or len(mappings) == 1 else sorted({item.path for item in items})
        if items is None and len(mappings) > 1:
            others = {item.path for found in mappings.values() if found for item in found}
            own = [each for each in files if each not in others]
        names = " ".join(shlex.quote(str(each)) for each in own)
        commands.append(f"windvane ingest {names} --mapping {shlex.quote(str(path))}{where}")
    return [*commands, f"windvane run{where}"]


def _as_dict(guess: FileGuess) -> dict[str, Any]:
    from windvane.ingest.guess.write import confidence, private, use_of

    return {
        "file": guess.item.label,
        "table": guess.table,
        "why": guess.why,
        "certain": guess.certain,
        "columns": [
            {
                "column": each.column,
                "from": each.cells.name,
                "sure": confidence(each.score),
                "use": use_of(guess, each),
                "samples": [] if private(each.cells) else list(each.cells.samples),
            }
            for each in guess.choices
        ],
        "unused": [each.name for each in guess.unused],
    }


def _tell(place: Path | None, shop: Shop, facts: Facts, known: dict[str, list[Any]], unknown: list[FileGuess]) -> None:
    from rich.markup import escape
    from rich.table import Table

    if place is not None:
        told = "" if facts.told else " (nothing in the files says so; see windvane.toml)"
        period = {"1w": ", by week", "1mo": ", by month"}.get(facts.freq, "")
        say(f"[green]✓[/] Workspace {place}: {shop.currency}, {shop.country}{period}{told}")
    for label, found in known.items():
        say(f"{', '.join(escape(item.label) for item in found)}: an export that the mapping {label} knows")
    if not unknown:
        return
    table = Table(title="Guesses", title_justify="left")
    for title in ("file", "table", "our column", "your column", "for example", ""):
        table.add_column(title, overflow="fold")
    for guess in unknown:
        if guess.table is None:
            table.add_row(escape(guess.item.label), "-", "", "", escape(f"left out: {guess.why}"), "")
        for number, each in enumerate(_as_dict(guess)["columns"]):
            names = (escape(guess.item.label), guess.table) if number == 0 else ("", "")
            mark = {"sure": "[green]sure[/]", "likely": "likely"}.get(each["sure"], "[yellow]unsure[/]")
            column = f"{each['column']} ({each['use']})" if each["use"] else each["column"]
            table.add_row(*names, column, escape(each["from"]), escape(" | ".join(each["samples"])), mark)
    console().print(table)
