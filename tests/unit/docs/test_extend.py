"""The method that docs/how-to/extend.md adds is one that the workflow takes."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.one_by_one import Known, OneByOne
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import MethodEntry

PAGE = (Path(__file__).parents[3] / "docs/how-to/extend.md").read_text(encoding="utf-8")


def test_the_example_restores_a_pair() -> None:
    module, entry = (dedent(block) for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    names: dict = {}
    exec(compile(module, "extend.md", "exec"), names)
    known = eval(f"{{{entry}}}", {"MethodEntry": MethodEntry, "_BASELINES": "tsva.restoration.baselines"})
    assert known["unsharp"].place == "tsva.restoration.baselines.unsharp:unsharp"
    edge = np.repeat(np.where(np.arange(32) < 16, 90, 160).astype(np.uint8)[None, :, None], 3, axis=2).repeat(
        32, axis=0
    )
    restored = OneByOne(names["unsharp"], Known())([Pair(edge, edge, 0.5, OpticsSettings())]).images[0]
    assert restored.shape == edge.shape
    assert restored[16, 16, 0] > edge[16, 16, 0] and restored[16, 15, 0] < edge[16, 15, 0]
