"""Questions that take for granted what isn't so: the honest answer says that it isn't there."""

from random import Random

from ossicle.synthesis.questions.clauses import (
    AFTER_CLAUSE,
    BEFORE_CLAUSE,
    DURATION_CLAUSE,
    OFFSET_CLAUSE,
    ONSET_CLAUSE,
    SPAN_CLAUSE,
)
from ossicle.synthesis.questions.facts import Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.order import AFTER, BEFORE
from ossicle.synthesis.questions.speech import DIGIT, EMOTION, KEYWORD, TRANSCRIBE
from ossicle.synthesis.questions.surfaces import mention
from ossicle.synthesis.questions.times import DURATION, OFFSET, ONSET, SPAN

_OF_SOUNDS = ("onset", "onset", "offset", "span", "duration", "after", "before")
_OF_SPEECH = ("transcribe", "transcribe", "digit", "keyword", "emotion")


@family(
    "absent",
    weight=1.3,
    phrases={
        "onset": ONSET,
        "offset": OFFSET,
        "span": SPAN,
        "duration": DURATION,
        "before": BEFORE,
        "after": AFTER,
        "onset_clause": ONSET_CLAUSE,
        "offset_clause": OFFSET_CLAUSE,
        "span_clause": SPAN_CLAUSE,
        "duration_clause": DURATION_CLAUSE,
        "before_clause": BEFORE_CLAUSE,
        "after_clause": AFTER_CLAUSE,
        "transcribe": TRANSCRIBE,
        "digit": DIGIT,
        "keyword": KEYWORD,
        "emotion": EMOTION,
    },
    ready=lambda f: bool(f.vocabulary) or not f.has_speech,
)
def absent(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``There is no glass breaking in the recording.``"""
    if not facts.has_speech and rng.random() < 0.3:
        return Question("absent", say(rng.choice(_OF_SPEECH)), "There is no speech in the recording.", ("no speech",))
    kinds = [event.kind for event in facts.events] or list(facts.vocabulary)
    kinds = [kind for kind in kinds if kind not in ("emotion", "command")]
    if not kinds:
        return None
    kind = rng.choice(kinds)
    x = facts.absent_label(kind, rng)
    if x is None:
        return None
    return Question(
        "absent",
        mention(say, rng.choice(_OF_SOUNDS), x, kind, rng),
        f"There is no {x} in the recording.",
        (f"no {x}",),
        keep=(x,),
    )
