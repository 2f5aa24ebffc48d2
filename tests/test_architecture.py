"""The house: who may import whom, how long and how wide things may be, what must have a docstring.

Every rule is a function from one source file to what it objects to, so that the rules are themselves tested.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import windvane

pytestmark = pytest.mark.tiny

ROOT = Path(windvane.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

CORE = (
    *("errors", "clock", "schema", "config", "screen", "freq", "futures"),
    *("forecasts", "sampling", "grouping", "panel", "framing", "ledger"),
)
"""The single files that hold the shapes, and the screen texts. They may import one another."""
ABOVE = [
    "store",
    "engine",
    "ingest",
    "clean",
    "features",
    "models",
    "decisions",
    "backtest",
    "outlook",
    "monitor",
    "report",
    "plans",
    "serve",
    "sim",
    "pipeline",
    "demo",
    "cli",
]
"""Everything else, in order: each may import core and what stands before it."""
RANK = dict.fromkeys(CORE, 0) | {name: i for i, name in enumerate(ABOVE, 1)}

MAX_LINES, MAX_FUNCTION, MAX_ARGUMENTS = 800, 60, 7
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
FORBIDDEN_IMPORTS = {"pandas", "pickle", "cloudpickle", "dill", "shelve", "joblib", "marshal"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def part_of(path: Path) -> str:
    """Folder of a module below the package, or its own name where it lies directly in it."""
    inside = path.relative_to(ROOT)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if base == "windvane":
                yield from ((node.lineno, f"windvane.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, base


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def compiled(function: Function) -> bool:
    """Whether it is a numba kernel: kernels take arrays one by one and are compiled, not called for comfort."""
    return function.name.endswith("_py") or any("njit" in ast.unparse(d) for d in function.decorator_list)


def verb(function: Function) -> bool:
    """Whether it is a verb of the command line, whose arguments are the options."""
    return any(".command" in ast.unparse(d) or ".callback" in ast.unparse(d) for d in function.decorator_list)


def import_direction(part: str, tree: ast.Module) -> list[str]:
    if part == "__init__":
        return []
    if part not in RANK:
        return [f"{part} has no place in the house: add it to tests/test_architecture.py and docs/design.md"]
    wrong = []
    for line, name in imports(tree):
        if name.startswith("."):
            wrong.append(f"line {line}: relative import; write the whole name")
        if not name.startswith("windvane.") or name == "windvane.__version__":
            continue
        target = name.split(".")[1]
        if target not in RANK or RANK[target] > RANK[part]:
            wrong.append(f"line {line}: {part} imports {name}, which stands above it")
    return wrong


def forbidden_imports(part: str, tree: ast.Module) -> list[str]:
    return [f"line {n}: imports {name}" for n, name in imports(tree) if name.split(".")[0] in FORBIDDEN_IMPORTS]


def long_functions(part: str, tree: ast.Module) -> list[str]:
    wrong = []
    for function in functions(tree):
        first = function.body[0]
        has_doc = ast.get_docstring(function) is not None
        doc = first.end_lineno - first.lineno + 1 if has_doc and first.end_lineno else 0
        length = (function.end_lineno or 0) - function.lineno + 1 - doc
        if length > MAX_FUNCTION:
            wrong.append(f"line {function.lineno}: {function.name} has {length} lines without docstring")
    return wrong


def wide_functions(part: str, tree: ast.Module) -> list[str]:
    wrong = []
    for function in functions(tree):
        names = [a.arg for a in function.args.posonlyargs + function.args.args + function.args.kwonlyargs]
        count = len([n for n in names if n not in ("self", "cls")])
        # Panel.from_frame names the columns of a frame; panel_from_frame is its body.
        excepted = compiled(function) or verb(function) or function.name in ("from_frame", "panel_from_frame")
        if count > MAX_ARGUMENTS and not excepted:
            wrong.append(f"line {function.lineno}: {function.name} takes {count} arguments")
    return wrong


def passed_through(part: str, tree: ast.Module) -> list[str]:
    wrong = []
    for function in functions(tree):
        if function.args.kwarg is None:
            continue
        name = function.args.kwarg.arg
        wrong += [
            f"line {node.lineno}: {function.name} passes **{name} through"
            for node in ast.walk(function)
            if isinstance(node, ast.Call)
            and any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == name for k in node.keywords)
        ]
    return wrong


def undocumented(part: str, tree: ast.Module) -> list[str]:
    def look(owner: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for node in owner.body:
            if not isinstance(node, (*Function.__args__, ast.ClassDef)) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                yield f"line {node.lineno}: {prefix}{node.name} has no docstring"
            if isinstance(node, ast.ClassDef):
                yield from look(node, f"{node.name}.")

    missing = [] if ast.get_docstring(tree) else ["line 1: the module has no docstring"]
    return missing + list(look(tree, ""))


RULES: tuple[Callable[[str, ast.Module], list[str]], ...] = (
    import_direction,
    forbidden_imports,
    long_functions,
    wide_functions,
    passed_through,
    undocumented,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule):
    wrong = [
        f"{path.relative_to(ROOT)}, {fault}"
        for path in FILES
        for fault in rule(part_of(path), ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_files_are_short():
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert not long, f"split these files (about 400 lines is the aim, {MAX_LINES} the most): {long}"


def test_names_say_what_is_inside():
    bad = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.stem in FORBIDDEN_NAMES]
    assert not bad, f"name these after what they do: {bad}"


def test_every_folder_is_a_package():
    bare = sorted({str(p.parent.relative_to(ROOT)) for p in FILES if not (p.parent / "__init__.py").exists()})
    assert not bare, f"no __init__.py in {bare}"


OFFENCES = [
    (import_direction, "clean", "def f():\n    from windvane.models import base\n"),
    (import_direction, "panel", "import windvane.store.tables\n"),
    (import_direction, "report", "from windvane import pipeline\n"),
    (import_direction, "store", "from . import tables\n"),
    (import_direction, "attic", "x = 1\n"),
    (forbidden_imports, "clean", "def f():\n    import pandas as pd\n"),
    (forbidden_imports, "models", "from pickle import loads\n"),
    (long_functions, "clean", "def f():\n    '''Do.'''\n" + "    x = 1\n" * MAX_FUNCTION),
    (wide_functions, "clean", "def f(a, b, c, d, e, f, /, g, *, h): ...\n"),
    (passed_through, "clean", "def f(**more):\n    return g(1, **more)\n"),
    (undocumented, "clean", "'''Doc.'''\nclass A:\n    '''Doc.'''\n    def b(self): ...\n"),
    (undocumented, "clean", "x = 1\n"),
]


@pytest.mark.parametrize(("rule", "part", "source"), OFFENCES)
def test_an_offence_is_seen(rule, part, source):
    assert len(rule(part, ast.parse(source))) == 1


ALLOWED = [
    (import_direction, "cli", "from windvane.report import write\nfrom windvane.errors import InputError\n"),
    (import_direction, "store", "from windvane import __version__\nimport polars\n"),
    (long_functions, "clean", "def f():\n    '''Do.\n" + "    more\n" * MAX_FUNCTION + "    '''\n    return 1\n"),
    (wide_functions, "cli", "@app.command()\ndef f(a, b, c, d, e, f, g, h): ...\n"),
    (wide_functions, "models", "@njit('void()')\ndef f(a, b, c, d, e, f, g, h): ...\n"),
    (wide_functions, "clean", "def f(self, a, b, c, d, e, f, g): ...\n"),
    (passed_through, "report", "def f(**values):\n    return g(values)\n"),
    (undocumented, "clean", "'''Doc.'''\ndef _f(): ...\nclass _A:\n    def b(self): ...\n"),
]


@pytest.mark.parametrize(("rule", "part", "source"), ALLOWED)
def test_what_is_right_passes(rule, part, source):
    assert rule(part, ast.parse(source)) == []
