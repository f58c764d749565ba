"""Print shell lines that tell uv where pip is configured to look for packages, as uv does not read pip's configuration.

They export variables that are not set already, and set the array ``where`` to options of ``uv pip install``.
"""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys

OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
"""Of pip, each with any number of values, and of uv, each with one."""
VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}


def configured(lines: list[str]) -> dict[str, str]:
    """Settings from ``pip config list``: of ``pip install`` before general ones, variables before both."""
    sections: dict[str, dict[str, str]] = {}
    for line in lines:
        place, _, value = line.partition("=")
        section, _, name = place.rpartition(".")
        sections.setdefault(section, {})[name] = str(ast.literal_eval(value))
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        found |= sections.get(section, {})
    return found


def shell_lines(settings: dict[str, str], environment: dict[str, str]) -> list[str]:
    """Lines for bash."""
    words = [word for name in OPTIONS for value in settings.get(name, "").split() for word in (OPTIONS[name], value)]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        words.append("--no-index")
    lines = [
        f"export {variable}={shlex.quote(settings[name])}"
        for name, variable in VARIABLES.items()
        if settings.get(name) and variable not in environment
    ]
    return [*lines, f"where=({shlex.join(words)})"]


if __name__ == "__main__":
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=True
    )
    print("\n".join(shell_lines(configured(listed.stdout.splitlines()), dict(os.environ))))
