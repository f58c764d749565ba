"""Fetching the public data set of Jiang et al. 2018."""

from __future__ import annotations

from pydantic import Field

from tsva.settings.base import Section


class Archive(Section):
    """One file of a data set."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.zip$")
    """What it is kept as."""
    url: str = Field(pattern=r"^https?://")
    """Where it is fetched from."""
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """What it has to be, where that is known; none: what the first fetch gave."""


class FetchSettings(Section, key="fetch"):
    """Where the data set of Jiang et al. 2018 (figshare article 5936881) comes from and goes to."""

    folder: str = "data/jiang2018"
    """Archives, images and slide sheet are kept here; relative to the working directory."""
    archives: tuple[Archive, ...] = (
        Archive(name="Data_channel.zip", url="https://ndownloader.figshare.com/files/10616965"),
        Archive(name="Data_domain_part1.zip", url="https://ndownloader.figshare.com/files/10616956"),
        Archive(name="Data_domain_part2.zip", url="https://ndownloader.figshare.com/files/10616962"),
    )
    """In the order in which they are fetched."""
    every_archive: bool = False
    """Fetch all archives. False: no further ones once the tiles, patches and slides are as many as in the paper."""
    keep_archives: bool = True
    """Keep an archive once it is unpacked; False saves its space."""
    attempts: int = Field(8, ge=1, le=1000)
    """Connections that may break, one after the other, before anything further has arrived."""
    max_unpacked_gb: float = Field(200.0, gt=0, le=100_000)
    """An archive that unpacks to more is refused."""

    @property
    def sheet(self) -> str:
        """The slide sheet that is written."""
        return f"{self.folder}/slides.tsv"
