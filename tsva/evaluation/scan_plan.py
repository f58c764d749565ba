"""How long a scan takes: a stack at every tile, a focus map from every k-th tile, or two shots at every tile.

The stage stops at every tile. A move of the stage or of the focus drive accelerates evenly, runs at the greatest speed
where the way is long enough, and slows down evenly; both move at the same time. The paper compares the steps of its
scheme with those of a focus map without times (Li et al., Table IV); these are the times of the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tsva.settings.evaluation import ScanSettings

STACK, MAP, TWO_SHOTS = "stack at every tile", "focus map", "two shots"


@dataclass(frozen=True)
class ScanTime:
    """What a scan takes.

    Attributes
    ----------
    scheme : str
        One of STACK, MAP and TWO_SHOTS.
    tiles, shots : int
    moving_s, settling_s, exposing_s : float
        Seconds of the scanner: moves, waiting for them to settle, exposure with readout.
    computing_s : float
        Seconds to restore all tiles; 0 where shots are in focus as they are taken.
    """

    scheme: str
    tiles: int
    shots: int
    moving_s: float
    settling_s: float
    exposing_s: float
    computing_s: float

    @property
    def scanner_min(self) -> float:
        """Minutes until the slide can be taken out."""
        return (self.moving_s + self.settling_s + self.exposing_s) / 60

    @property
    def beside_min(self) -> float:
        """Minutes until the slide is in focus, where tiles are restored while the scan goes on."""
        return max(self.scanner_min, self.computing_s / 60) + (self.computing_s / 60 / self.tiles if self.tiles else 0)

    @property
    def after_min(self) -> float:
        """The same, where restoring starts when the scan has ended."""
        return self.scanner_min + self.computing_s / 60


def move_s(distance: float, speed: float, acceleration: float) -> float:
    """Seconds of a move from rest to rest.

    Parameters
    ----------
    distance : float
        Any sign, in a unit of length.
    speed, acceleration : float
        Above 0, in the same unit of length and seconds.

    Returns
    -------
    float
        2 √(d/a) for a short move, which never reaches the greatest speed (d ≤ v²/a); d/v + v/a for a longer one.
    """
    distance = abs(distance)
    if distance * acceleration <= speed**2:
        return 2 * math.sqrt(distance / acceleration)
    return distance / speed + speed / acceleration


def grid(scan: ScanSettings) -> tuple[int, int]:
    """Columns and rows of tiles that cover the area."""
    steps = step_um(scan)
    areas = scan.area_width_mm * 1000, scan.area_height_mm * 1000
    columns, rows = (
        1 + max(0, math.ceil((area - tile) / step - 1e-9))
        for area, tile, step in zip(areas, scan.tile_um, steps, strict=True)
    )
    return columns, rows


def step_um(scan: ScanSettings) -> tuple[float, float]:
    """Distance of neighbouring tiles along a row and along a column."""
    width, height = scan.tile_um
    return width * (1 - scan.overlap), height * (1 - scan.overlap)


def positions_um(scan: ScanSettings, every: int = 1) -> Iterator[tuple[float, float]]:
    """Where the stage stops, row by row, forth and back; of every `every`-th tile on this way."""
    columns, rows = grid(scan)
    x_um, y_um = step_um(scan)
    for number in range(0, columns * rows, every):
        row, place = divmod(number, columns)
        yield (place if row % 2 == 0 else columns - 1 - place) * x_um, row * y_um


def plan(scan: ScanSettings) -> list[ScanTime]:
    """The three schemes on the same scanner and slide."""
    return [stack_time(scan), map_time(scan, scan.map_every), two_shot_time(scan)]


def stack_time(scan: ScanSettings) -> ScanTime:
    """A stack at every tile, then the focus drive's move to the sharpest plane and a shot there."""
    clock = _Clock(scan)
    for distance_um in _ways(positions_um(scan)):
        clock.go(distance_um, stack_um(scan) / 2)  # from the sharpest plane to the lowest one
        clock.stack()
        clock.go(0.0, stack_um(scan) / 2)
        clock.shoot()
    return clock.time(STACK, restored=False)


def map_time(scan: ScanSettings, every: int) -> ScanTime:
    """A stack at every `every`-th tile; then a shot at every tile, at the height that the map gives."""
    clock = _Clock(scan)
    for number, distance_um in enumerate(_ways(positions_um(scan, every))):
        clock.go(distance_um, stack_um(scan) if number else stack_um(scan) / 2)
        clock.stack()
    *_, last = positions_um(scan, every)
    clock.go(max(last), stack_um(scan) / 2)  # back to the first tile: axes move together, the longer way counts
    clock.shoot()
    for distance_um in list(_ways(positions_um(scan)))[1:]:
        clock.go(distance_um, scan.focus_change_um)
        clock.shoot()
    return clock.time(MAP, restored=False)


def two_shot_time(scan: ScanSettings) -> ScanTime:
    """A stack at the first tile for F; then two shots at every tile, from below and from above in turns."""
    clock = _Clock(scan)
    clock.go(0.0, stack_um(scan) / 2)
    clock.stack()
    clock.go(0.0, stack_um(scan) / 2 + scan.delta_um)
    for distance_um in _ways(positions_um(scan)):
        clock.go(distance_um, 0.0)  # the focus drive stays where the tile before was shot last
        clock.shoot()
        clock.go(0.0, 2 * scan.delta_um)
        clock.shoot()
    return clock.time(TWO_SHOTS, restored=True)


def stack_um(scan: ScanSettings) -> float:
    """Way of the focus drive through a stack."""
    return (scan.planes - 1) * scan.z_step_um


def _ways(positions: Iterator[tuple[float, float]]) -> Iterator[float]:
    """The longer of the two axes' ways to each stop; the first stop is where the stage is."""
    yield 0.0
    for (x, y), (x_next, y_next) in pairwise(positions):
        yield max(abs(x_next - x), abs(y_next - y))


class _Clock:
    """Adds up what a scanner does, one action after the other."""

    def __init__(self, scan: ScanSettings) -> None:
        self._scan = scan
        self._shots, self._moving_s, self._settling_s = 0, 0.0, 0.0

    def go(self, distance_um: float, z_um: float) -> None:
        """Move the stage and the focus drive at the same time, and wait until both are at rest."""
        scan = self._scan
        across = move_s(distance_um / 1000, scan.stage_speed_mm_per_s, scan.stage_acceleration_mm_per_s2)
        along = move_s(z_um / 1000, scan.z_speed_mm_per_s, scan.z_acceleration_mm_per_s2)
        rest = max(
            across + scan.stage_settle_ms / 1000 if distance_um else 0.0,
            along + scan.z_settle_ms / 1000 if z_um else 0.0,
        )
        self._moving_s += max(across, along)
        self._settling_s += rest - max(across, along)

    def stack(self) -> None:
        """Shoot all planes of a stack, from the one where the focus drive is."""
        self.shoot()
        for _ in range(self._scan.planes - 1):
            self.go(0.0, self._scan.z_step_um)
            self.shoot()

    def shoot(self) -> None:
        """Expose and read."""
        self._shots += 1

    def time(self, scheme: str, *, restored: bool) -> ScanTime:
        """The sums."""
        scan, tiles = self._scan, math.prod(grid(self._scan))
        tile_mp = scan.tile_width_px * scan.tile_height_px / 1e6
        return ScanTime(
            scheme=scheme,
            tiles=tiles,
            shots=self._shots,
            moving_s=self._moving_s,
            settling_s=self._settling_s,
            exposing_s=self._shots * (scan.exposure_ms + scan.readout_ms) / 1000,
            computing_s=tiles * tile_mp * scan.compute_s_per_mp / scan.workers if restored else 0.0,
        )
