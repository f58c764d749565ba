"""Fingerprints of code: Snakemake does not see that a module behind a `shell:` rule has changed."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "tsva"
ROOT = Path(__file__).parents[1]


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
    """
    digest = hashlib.sha256()
    for path in sorted(files_behind(module)):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_meaning(path))
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
    if module.split(".")[0] != PACKAGE:
        return None
    base = ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _data_files(package: Path) -> set[Path]:
    """What lies in a package's folders that aren't packages themselves (templates, tables)."""
    folders = [child for child in package.iterdir() if child.is_dir() and child.name != "__pycache__"]
    plain = [folder for folder in folders if not (folder / "__init__.py").exists()]
    return {path for folder in plain for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def _imports(path: Path) -> list[str]:
    """Dotted names that a module may import, at any depth; names that are no modules are dropped later."""
    return _parsed(path, path.stat().st_mtime_ns)[0]


def _meaning(path: Path) -> bytes:
    """The bytes of a data file; the syntax tree of a module without its docstrings."""
    return _parsed(path, path.stat().st_mtime_ns)[1] if path.suffix == ".py" else path.read_bytes()


@cache
def _parsed(path: Path, changed_ns: int) -> tuple[list[str], bytes]:  # noqa: ARG001
    """Imports and meaning of a module; most modules belong to several stages, and a run asks for all stages."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_docstring(line)]  # type: ignore[attr-defined]
    return names, ast.dump(tree).encode()


def _is_docstring(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
