"""Questions over two recordings."""

from random import Random

from ossicle.synthesis.questions.facts import Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import wordings
from ossicle.synthesis.questions.speech import feeling
from ossicle.synthesis.questions.surfaces import mention

SAME = wordings("same")

WHICH_AUDIO = wordings("which_audio")


def _only_label(facts: Facts) -> tuple[str, str] | None:
    """(label, kind) of a recording of one thing; a voice that says nothing known counts by its emotion."""
    felt = feeling(facts)
    if felt:
        return felt, "emotion"
    if not facts.all_nameable or len(facts.by_label) != 1:
        return None
    label = next(iter(facts.by_label))
    return label, facts.kind_of(label)


def _comparable(facts: Facts) -> bool:
    if facts.second is None:
        return False
    one, two = _only_label(facts), _only_label(facts.second)
    if one is None or two is None or "emotion" in (one[1], two[1]):
        return False
    return one[0] == two[0] or (two[0] not in facts.confusable(one[0]) and one[0] not in facts.confusable(two[0]))


@family("same_different", weight=2.0, phrases={"same": SAME}, ready=_comparable)
def same_different(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``The same sound.`` or ``Different sounds.``; whoever pairs the recordings keeps them balanced."""
    same = _only_label(facts)[0] == _only_label(facts.second)[0]
    choices = ("The same sound", "Different sounds")
    return Question(
        "same_different", say("same"), choices[not same] + ".", ("same" if same else "different",), choices, num_audio=2
    )


def _telling(facts: Facts) -> list[tuple[str, str, int]]:
    """(label, kind, 1 or 2) of what is heard in exactly one recording and can be denied of the other."""
    rows = []
    for number, here, there in ((1, facts, facts.second), (2, facts.second, facts)):
        rows += [
            (label, here.kind_of(label), number)
            for label in here.nameable
            if there.askable(label, here.kind_of(label))
            and label not in there.undeniable
            and not (here.confusable(label) & there.by_label.keys())
        ]
    return rows


@family(
    "which_audio",
    weight=1.0,
    phrases={"which_audio": WHICH_AUDIO},
    ready=lambda f: f.second is not None and bool(_telling(f)),
)
def which_audio(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Audio 1.`` or ``Audio 2.``, equally often."""
    number = rng.choice((1, 2))
    rows = [row for row in _telling(facts) if row[2] == number]
    if not rows:
        return None
    label, kind, _ = rng.choice(rows)
    choices = ("Audio 1", "Audio 2")
    return Question(
        "which_audio",
        mention(say, "which_audio", label, kind, rng),
        f"Audio {number}.",
        (str(number),),
        choices,
        num_audio=2,
        keep=(label, "audio 1", "audio 2"),
    )
