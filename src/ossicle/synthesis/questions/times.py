"""When something starts and ends, how long it lasts, and what is heard at a moment."""

import math
from random import Random

from ossicle.chat.timeline import write_time
from ossicle.synthesis.questions.clauses import DURATION_CLAUSE, OFFSET_CLAUSE, ONSET_CLAUSE, SPAN_CLAUSE
from ossicle.synthesis.questions.facts import FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrase_of, wordings
from ossicle.synthesis.questions.surfaces import mention

MARGIN_S = 0.2  # a moment this near an edge is neither inside nor outside

ONSET = wordings("onset")

OFFSET = wordings("offset")

SPAN = wordings("span")

DURATION = wordings("duration")

AT_TIME = wordings("at_time")


def at(seconds: float) -> str:
    """``At 0.5 s``"""
    return f"At {write_time(seconds)} s"


def spans(events: list[FactEvent]) -> str:
    """``From 0.5 s to 1.7 s and from 3.0 s to 3.4 s``"""
    text = " and ".join(f"from {write_time(e.start_s)} s to {write_time(e.end_s)} s" for e in events)
    return text[0].upper() + text[1:]


@family("onset", weight=1.8, phrases={"onset": ONSET, "onset_clause": ONSET_CLAUSE}, ready=lambda f: bool(f.unique))
def onset(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``At 0.5 s.``"""
    label = rng.choice(tuple(facts.unique))
    start_s = facts.unique[label].start_s
    return Question(
        "onset",
        mention(say, "onset", label, facts.kind_of(label), rng),
        at(start_s) + ".",
        (f"{write_time(start_s)} s",),
        keep=(label,),
    )


@family(
    "offset", weight=0.7, phrases={"offset": OFFSET, "offset_clause": OFFSET_CLAUSE}, ready=lambda f: bool(f.unique)
)
def offset(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``At 1.7 s.``"""
    label = rng.choice(tuple(facts.unique))
    end_s = facts.unique[label].end_s
    return Question(
        "offset",
        mention(say, "offset", label, facts.kind_of(label), rng),
        at(end_s) + ".",
        (f"{write_time(end_s)} s",),
        keep=(label,),
    )


def _few(facts: Facts) -> tuple[str, ...]:
    return tuple(label for label, events in facts.nameable.items() if len(events) < 4)


@family("span", weight=0.9, phrases={"span": SPAN, "span_clause": SPAN_CLAUSE}, ready=lambda f: bool(_few(f)))
def span(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``From 0.5 s to 1.7 s.``, for every time that the sound is heard."""
    label = rng.choice(_few(facts))
    text = spans(facts.by_label[label])
    return Question(
        "span", mention(say, "span", label, facts.kind_of(label), rng), text + ".", (text.lower(),), keep=(label,)
    )


@family(
    "duration",
    weight=0.5,
    phrases={"duration": DURATION, "duration_clause": DURATION_CLAUSE},
    ready=lambda f: bool(f.unique),
)
def duration(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``1.2 s.``: the difference of the written times, so that answers never contradict each other."""
    label = rng.choice(tuple(facts.unique))
    event = facts.unique[label]
    text = f"{write_time(max(0.0, float(write_time(event.end_s)) - float(write_time(event.start_s))))} s"
    return Question(
        "duration", mention(say, "duration", label, facts.kind_of(label), rng), text + ".", (text,), keep=(label,)
    )


def _moment(facts: Facts, rng: Random) -> tuple[float, list[FactEvent]] | None:
    """A time at which it is clear what is heard and what isn't, and the events heard."""
    for _ in range(8):
        if rng.random() < 0.8:
            event = rng.choice(facts.events)
            t_s = rng.uniform(event.start_s, event.end_s)
        else:
            t_s = rng.uniform(0, facts.duration_s)
        t_s = float(round(t_s)) if rng.random() < 0.5 else round(t_s, 1)
        clear = all(min(abs(t_s - e.start_s), abs(t_s - e.end_s)) >= MARGIN_S for e in facts.events)
        if clear and 0 <= t_s <= facts.duration_s:
            return t_s, [e for e in facts.ordered if e.start_s < t_s < e.end_s]
    return None


def _written(t_s: float, rng: Random) -> str:
    """A time as people write it."""
    if t_s == math.floor(t_s):
        whole = int(t_s)
        unit = "second" if whole == 1 else "seconds"
        return rng.choice(
            (
                f"{whole // 60}:{whole % 60:02d}",
                f"{whole // 60:02d}:{whole % 60:02d}",
                f"{whole} {unit}",
                f"{whole} s",
                f"{whole}s",
                f"{whole}.0 s",
                f"second {whole}",
                f"{whole} sec",
                f"{whole}.0s",
                f"{whole}.0 seconds",
            )
        )
    return rng.choice((f"{t_s:.1f} seconds", f"{t_s:.1f} s", f"{t_s:.1f}s", f"{t_s:.1f} sec", f"second {t_s:.1f}"))


@family("at_time", weight=0.8, phrases={"at_time": AT_TIME}, ready=lambda f: f.all_nameable)
def at_time(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``There is dog howling and glass breaking.`` or ``There is nothing.``"""
    found = _moment(facts, rng)
    if found is None:
        return None
    t_s, events = found
    labels = [phrase_of(event.label, event.kind) for event in events]
    heard = " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels) or "nothing"
    written = _written(t_s, rng)
    return Question("at_time", say("at_time", t=written), f"There is {heard}.", (heard,), keep=(written,))
