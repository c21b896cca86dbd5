"""A scene as written down: everything that is needed to render it, and everything that is true of it.

Whole numbers of samples and rounded decimals only, so that the JSON is the same on every machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ossicle.support.errors import DataError

FORMAT = 1


@dataclass(frozen=True)
class Tone:
    """The colour a sound is given: slope about 1 kHz in decibels per octave, and the band that is kept, in hertz."""

    tilt_db: float = 0.0
    low_hz: float = 0.0
    high_hz: float = 8000.0


PLAIN = Tone()
CLIP = "clip"
"""The colour of a background that is a clip of the library."""


@dataclass(frozen=True)
class Room:
    """Where all sounds of a scene are: a made response, or the measured one called ``key``; ``tail`` samples long."""

    tail: int
    key: str | None = None
    rt60_s: float = 0.0
    direct_db: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Background:
    """Steady noise at ``level_db`` (dBFS RMS): the recording ``key`` or else a ``colour``, from ``offsets`` on. The
    colour ``clip`` is the clip ``key`` over and over, far behind what is heard."""

    level_db: float
    offsets: tuple[int, int]
    colour: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class PlannedEvent:
    """One sound. ``start`` and ``end`` (samples of the scene) bound its active part, ``cut`` is the piece of the clip
    that is played, ``active`` its active part within the cut, and ``lengths`` the Fourier lengths that set the speed.

    ``level_db`` is the RMS of the active part, dBFS before the whole scene is turned down to fit; ``snr_db`` is that
    over the background; ``spans`` counts the stretches of the active part between pauses of 0.25 s or more.
    """

    clip_key: str
    label: str
    kind: str
    text: str | None
    start: int
    end: int
    cut: tuple[int, int]
    active: tuple[int, int]
    lengths: tuple[int, int]
    level_db: float
    snr_db: float | None
    tone: Tone = PLAIN
    spans: int = 1
    sample_rate: int = 16000

    @property
    def start_s(self) -> float:
        """Onset of the active part."""
        return self.start / self.sample_rate

    @property
    def end_s(self) -> float:
        """Offset of the active part."""
        return self.end / self.sample_rate

    @property
    def speed(self) -> float:
        """How much faster (and higher) than recorded."""
        return self.lengths[0] / self.lengths[1]


@dataclass(frozen=True)
class Plan:
    """A scene of ``num_samples``, its events by onset."""

    seed: int
    layout: str
    num_samples: int
    events: tuple[PlannedEvent, ...]
    background: Background | None = None
    room: Room | None = None
    fades: bool = True
    """Whether cut edges are smoothed (a bare recording is left as it is)."""
    sample_rate: int = 16000

    @property
    def duration_s(self) -> float:
        """Length of the whole scene."""
        return self.num_samples / self.sample_rate

    @property
    def truth(self) -> list[dict[str, Any]]:
        """The events as metadata: label, start_s, end_s."""
        return [
            {"label": event.label, "start_s": round(event.start_s, 4), "end_s": round(event.end_s, 4)}
            for event in self.events
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON: what the rendered samples are known by."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """One line; equal plans give equal text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The inverse of ``to_json``.

        Raises:
            DataError: not a plan, or one of another format.
        """
        try:
            fields = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise DataError(f"this scene plan is not of format {FORMAT}; make it again.")
            fields["events"] = tuple(_event(event) for event in fields["events"])
            if fields["background"]:
                offsets = tuple(fields["background"].pop("offsets"))
                fields["background"] = Background(offsets=offsets, **fields["background"])
            if fields["room"]:
                fields["room"] = Room(**fields["room"])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise DataError(f"this is not a scene plan ({error}).") from error


def _event(fields: Mapping[str, Any]) -> PlannedEvent:
    pairs = {name: tuple(fields[name]) for name in ("cut", "active", "lengths")}
    return PlannedEvent(**{**fields, **pairs, "tone": Tone(**fields["tone"])})
