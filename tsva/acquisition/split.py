"""Which patches train, which verify, and which test."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tsva.acquisition.draws import rng
from tsva.errors import UserError
from tsva.settings.acquisition import PairsSettings

ROLES = ("train", "dataset1", "dataset2")


def split(
    patches: Iterable[pd.DataFrame], excluded: Iterable[pd.DataFrame], settings: PairsSettings, *, seed: int
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Gather the slides' patches by role, and part the training data from what chooses the best model.

    Parameters
    ----------
    patches, excluded : iterables of DataFrame
        ``pairs/<slide>/patches.tsv`` and ``pairs/<slide>/excluded.tsv`` of all slides.
    settings : PairsSettings
        `split_by`, `verification_fraction` and `simulated_test_patches`.
    seed : int
        Of the choice of patients (or patches).

    Returns
    -------
    tables : dict of str to DataFrame
        ``train``, ``dataset1`` and ``dataset2``: patches in the order of the slides' names, with the column `split`
        (training, verification; test). A role without slides has no rows.
    excluded : DataFrame
        What was left out, of all slides.

    Raises
    ------
    UserError
        If a role has slides but no usable patch, if grey and colour are mixed in a role, or if the training data
        can't be parted.
    """
    whole = _gather(patches, ["slide", "index"])
    left_out = _gather(excluded, ["slide"]).astype({"row": "Int64", "column": "Int64"})
    tables: dict[str, pd.DataFrame] = {}
    for role in ROLES:
        table = whole[whole["role"] == role].reset_index(drop=True)
        if table.empty and (left_out["role"] == role).any():
            raise UserError(
                f"data set {role}",
                got=f"a data set without usable fields ({_counted(left_out, role)})",
                wanted="at least one patch in focus",
                do="See pairs/excluded.tsv of its slides; correct or replace them.",
            )
        _check_channels(role, table)
        if role == "train":
            tables[role] = table.assign(split=_sides(table, settings, seed))
        else:
            tables[role] = _thinned(table, settings.simulated_test_patches).assign(split="test")
    return tables, left_out


def check_repeats(ingested: Iterable[pd.DataFrame]) -> None:
    """Refuse fields whose pixels stand in two slides, whatever the files' formats and names.

    Parameters
    ----------
    ingested : iterable of DataFrame
        ``ingest/<slide>/fields.tsv`` of the slides that train and test.

    Raises
    ------
    UserError
        Names both.
    """
    seen: dict[str, dict[Hashable, Any]] = {}
    for table in ingested:
        for field in table[table["reason"] == ""].to_dict("records"):
            first = seen.setdefault(str(field["digest"]), field)
            if first["slide"] != field["slide"]:
                raise UserError(
                    f"slide {field['slide']}, field {field['field']}",
                    got=f"the pixels of slide {first['slide']}, field {first['field']}",
                    wanted="each field in one slide alone, so that nothing is tested on what it was trained on",
                    do="Take one of the two out of the slide sheet.",
                )


def _gather(tables: Iterable[pd.DataFrame], order: list[str]) -> pd.DataFrame:
    """One table of many, in an order that doesn't depend on theirs."""
    given = list(tables)
    filled = [table for table in given if len(table)] or given[:1]
    return pd.concat(filled, ignore_index=True).sort_values(order, kind="stable", ignore_index=True)


def _counted(left_out: pd.DataFrame, role: str) -> str:
    reasons = left_out.loc[left_out["role"] == role, "reason"].value_counts()
    return "; ".join(f"{count} × {reason}" for reason, count in reasons.items())


def _check_channels(role: str, table: pd.DataFrame) -> None:
    kinds = table.drop_duplicates("channels")
    if len(kinds) > 1:
        names = " and ".join(f"{row['channels']} channels in slide {row['slide']}" for row in kinds.to_dict("records"))
        raise UserError(
            f"data set {role}",
            got=names,
            wanted="grey or colour slides in one role, not both",
            do="Take one kind out of the sheet.",
        )


def _thinned(table: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """At most so many patches of every simulated field (they have images without noise), in the table's order."""
    if most is None or table.empty:
        return table
    simulated = table["has_clean"] == 1
    chosen = table.index[~simulated].tolist()
    for _, rows in table[simulated].groupby(["slide", "field"], sort=False):
        places = rows[["row", "column"]].to_numpy(float)
        picked = spread_out(places, most)
        chosen += rows.index[picked].tolist()
    return table.loc[sorted(chosen)].reset_index(drop=True)


def spread_out(places: np.ndarray, most: int) -> list[int]:
    """Choose places that lie far apart: the first, and then each time the one farthest from all that are chosen.

    Parameters
    ----------
    places : (N, 2) float array
        Rows and columns.
    most : int
        At most so many are chosen.

    Returns
    -------
    list of int
        Their indices, in the order of choice; of equally far ones the first.
    """
    chosen = [0] if len(places) else []
    while len(chosen) < min(most, len(places)):
        apart = np.linalg.norm(places[:, None] - places[chosen], axis=-1).min(axis=1)
        apart[chosen] = -1.0
        chosen.append(int(np.argmax(apart)))
    return chosen


def _sides(table: pd.DataFrame, settings: PairsSettings, seed: int) -> pd.Series:
    """Training or verification, for every patch."""
    if table.empty:
        return pd.Series(dtype=str)
    keys = ["patient"] if settings.split_by == "patient" else ["slide", "field", "row", "column"]
    sizes = {_key(name): len(rows) for name, rows in table.groupby(keys)}
    if len(sizes) < 2:
        raise UserError(
            "data set train",
            got=f"a single {settings.split_by}",
            wanted="at least two, one to train on and one to verify with",
            do="Add slides of further patients, or set pairs.split_by to patch (the paper's way).",
        )
    chosen = _verification(sizes, settings.verification_fraction, seed)
    names = [_key(name) for name in table[keys].itertuples(index=False, name=None)]
    return pd.Series(["verification" if name in chosen else "training" for name in names])


def _key(name: Any) -> tuple[str | int, ...]:
    """What groupby or itertuples call a group, as a key of random numbers."""
    parts = name if isinstance(name, tuple) else (name,)
    return tuple(part if isinstance(part, str) else int(part) for part in parts)


def _verification(sizes: Mapping[tuple[str | int, ...], int], fraction: float, seed: int) -> set[tuple[str | int, ...]]:
    """Groups drawn one by one, each kept if that brings the share of patches nearer to the one wanted.

    The order of drawing depends on the groups' names alone. At least one group is kept, and one is not.
    """
    drawn = sorted(sizes, key=lambda name: (rng(seed, "verification", *name).random(), name))
    wanted, held = fraction * sum(sizes.values()), 0
    chosen: set[tuple[str | int, ...]] = set()
    for name in drawn:
        if abs(held + sizes[name] - wanted) < abs(held - wanted):
            chosen.add(name)
            held += sizes[name]
    if not chosen:
        chosen = {min(drawn, key=lambda name: sizes[name])}
    if len(chosen) == len(sizes):
        chosen.remove(drawn[-1])
    return chosen
