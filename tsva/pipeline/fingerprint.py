"""Fingerprints of code, and files of settings that are named by a digest of what they hold.

Snakemake does not see that a module behind a `shell:` rule has changed.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from tsva.atomic import fresh_file

PACKAGE = "tsva"
ROOT = Path(__file__).parents[1]
MEMORY = Path(cache_from_source(__file__)).with_suffix(".json")
"""What modules import and mean, by digest of their text: beside Python's own bytecode, and for the same reason."""
REMEMBERED = 1000
"""Texts at most, the latest ones."""


@cache
def code_digest(module: str) -> str:
    """Digest of a module and of everything in this package that it imports, however indirectly.

    Parameters
    ----------
    module : str
        Dotted name, e.g. ``tsva.cli.focus``.

    Returns
    -------
    str
        Hexadecimal. Comments, docstrings and layout don't change it; templates and data files of the packages do.
        Rows of a `tsva.settings.methods.Registry` don't: they would make all stages run again when one is added.
    """
    digest = hashlib.sha256()
    for path in sorted(files_behind(module)):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_meaning(path).encode())
    _remember()
    return digest.hexdigest()[:16]


def files_behind(module: str) -> set[Path]:
    """Files of the modules reached from `module`, with the data files of their packages."""
    paths: set[Path] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source(name)
        if path is None or path in paths:
            continue
        paths.add(path)
        if path.name == "__init__.py":
            paths.update(_data_files(path.parent))
        todo += _imports(path)
        todo += [name.rsplit(".", 1)[0]] if "." in name else []
    return paths


def _source(module: str) -> Path | None:
    return _source_below(ROOT, module)


@cache
def _source_below(root: Path, module: str) -> Path | None:
    """The file of a module; most names are asked for by several stages."""
    if module.split(".")[0] != PACKAGE:
        return None
    base = root.joinpath(*module.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _data_files(package: Path) -> set[Path]:
    """What lies in a package's folders that aren't packages themselves (templates, tables)."""
    folders = [child for child in package.iterdir() if child.is_dir() and child.name != "__pycache__"]
    plain = [folder for folder in folders if not (folder / "__init__.py").exists()]
    return {path for folder in plain for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def _imports(path: Path) -> list[str]:
    """Dotted names that a module may import, at any depth; names that are no modules are dropped later."""
    return _parsed(path, path.stat().st_mtime_ns)[0]


def _meaning(path: Path) -> str:
    """Digest of a data file's bytes; of a module's syntax tree without its docstrings."""
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return _parsed(path, path.stat().st_mtime_ns)[1]


@cache
def _parsed(path: Path, changed_ns: int) -> tuple[list[str], str]:  # noqa: ARG001
    """Imports of this package and meaning of a module; most belong to several stages, and a run asks for all stages."""
    text = path.read_bytes()
    key = hashlib.sha256(text).hexdigest()
    if key not in _known():
        _known()[key] = _read(text)
        _NEW.append(key)
    return _known()[key]


def _read(text: bytes) -> tuple[list[str], str]:
    tree = ast.parse(text)
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not (_is_docstring(line) or _is_registry(line))]  # type: ignore[attr-defined]
    own = [name for name in names if name.split(".")[0] == PACKAGE]
    return own, hashlib.sha256(ast.dump(tree).encode()).hexdigest()


_NEW: list[str] = []
"""Texts read since the memory was written."""


@cache
def _known() -> dict[str, tuple[list[str], str]]:
    """What is remembered; parsing all modules takes a second and a half of every start of the workflow."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        found = json.loads(MEMORY.read_text(encoding="utf-8"))
        return {str(key): (list(map(str, names)), str(meaning)) for key, (names, meaning) in found.items()}
    return {}


def _remember() -> None:
    """Write the memory anew; where that isn't allowed, modules are parsed at every start."""
    if not _NEW:
        return
    _NEW.clear()
    text = json.dumps(dict(list(_known().items())[-REMEMBERED:]))
    with contextlib.suppress(OSError), fresh_file(MEMORY) as part:
        part.write_text(text, encoding="utf-8")


def _is_docstring(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _is_registry(line: ast.AST) -> bool:
    return isinstance(line, ast.AnnAssign) and ast.unparse(line.annotation) == "Registry"


def text_digest(text: str) -> str:
    """Hexadecimal digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def freeze(values: Mapping[str, Any], folder: Path, stage: str) -> Path:
    """Write settings to a file whose name changes with its content.

    Parameters
    ----------
    values : mapping
        What JSON can hold.
    folder : Path
        Made where absent.
    stage : str
        Beginning of the file's name.

    Returns
    -------
    Path
        ``<folder>/<stage>-<digest>.json``; written if it is absent or was changed by hand.
    """
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    file = folder / f"{stage}-{text_digest(text)}.json"
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        with fresh_file(file) as part:
            part.write_text(text, encoding="utf-8")
    return file
