"""Programs that answer, fail, hang or aren't there."""

from __future__ import annotations

from pathlib import Path

from tsva.pipeline.doctor.finding import ask


def test_answers(fake, tmp_path: Path) -> None:
    fake("good", "one\ntwo")
    fake("fails", "half", error="why", status=3)
    fake("silent", sleeps=60)
    (tmp_path / "bin/broken").write_bytes(b"\x7fELF and no more")
    (tmp_path / "bin/broken").chmod(0o755)
    good, fails = ask("good"), ask("fails")
    assert (good.found, good.ok, good.text) == (True, True, "one\ntwo")
    assert (fails.found, fails.ok, fails.status, fails.text) == (True, False, 3, "why")
    silent = ask("silent", patience_s=0.3)
    assert (silent.found, silent.ok, silent.text) == (True, False, "no answer within 0.3 s")
    absent = ask("absent")
    assert (absent.found, absent.ok, absent.text) == (False, False, "no absent on the search path")
    broken = ask("broken")
    assert (broken.found, broken.ok) == (True, False)
