"""Questions over two recordings."""

# ruff: noqa: E501 - one template, one line

from random import Random

from ossicle.synthesis.questions.facts import Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrases
from ossicle.synthesis.questions.speech import feeling
from ossicle.synthesis.questions.surfaces import mention

SAME = phrases(
    """
    (are|is) (the two|both|these two|these|the) (sounds|recordings|clips|audios|noises) (the same|the same sound|alike|of the same kind|of one kind|the same or different|different)
    is it the same (sound|noise|kind of sound|type of sound|sound event) (in both|twice|in both recordings|in both clips|in audio 1 and audio 2|both times)
    do (both|the two|these two|the) (recordings|clips|audios|files) (have|contain|hold|share|show) the same (sound|noise|kind of sound|sound event)
    is the same (sound|noise|kind of sound) (heard|present|audible|recorded) in (both|both recordings|both clips|the two recordings|audio 1 and audio 2|the first and the second recording)
    (same|same sound|the same|same or different|same or not|different or the same|same kind of sound|same or different sound)
    (do|does) (audio 1 and audio 2|the recordings|the clips|the two sounds) (match|differ|agree|sound the same)
    (compare|compare the sounds of) (the two recordings|audio 1 and audio 2|both clips|the recordings|the two clips) [: same or different]
    is (audio 2|the second recording|the second clip|the second) (the same sound as|the same as|different from|like|of the same kind as) (audio 1|the first|the first recording|the first clip)
    is (audio 1|the first recording|the first clip|the first) (the same sound as|the same as|different from|like|of the same kind as) (audio 2|the second|the second recording|the second clip)
    <tell> (if|whether) (both|the two|the|these) (recordings|clips|sounds) are (the same|the same sound|different|of the same kind|alike)
    <tell> (if|whether) (it is|you hear) the same (sound|kind of sound) (in both|twice)
    (do you|can you) hear the same (sound|kind of sound|noise) (twice|in both|in both recordings|in both clips)
    are (they|these|the sounds) (the same|different|alike|the same sound|the same kind of sound|equal)
    do (they|these|the sounds) (differ|match|agree)
    (audio 1 and audio 2|audio 1 versus audio 2|first and second recording) : (same or different|the same sound|same sound)
    (one kind of sound|one and the same sound) or two (different ones|kinds|different sounds)
    (are|were) the (sounds|events|noises) (in|of) (the two recordings|both clips|audio 1 and audio 2|these recordings|the two clips) (the same|the same or different|alike|different|of the same kind|identical)
    (is|was) it the same (thing|event|word|source|sound or a different one) (in both|both times|twice|in both recordings|in both clips)
    (does|do) (the second recording|audio 2|the second clip) (contain|have|hold|repeat) the (same sound|sound) (as|of) (the first|audio 1|the first one)
    (is|are) (there|we hearing) (the same sound|two different sounds|one sound or two different ones) in the (two recordings|two clips)
    (decide|determine|check|say|judge) (if|whether) (the two recordings|both clips|these|the sounds) (are the same|have the same sound|differ|match|belong to the same class)
    (do|are) (the two|both|these) (recordings|clips) (of|belong to) the same (class|category|kind|kind of sound|label)
    (same|identical) (class|sound|label|category) or not
    (are|is) (what is heard in audio 1 and in audio 2|both sounds|the two) (the same|alike|identical|of one kind|equal)
    (is there a|any) difference (between the two recordings|between audio 1 and audio 2|in the sounds) : same or different
""",
    """
    Would you file both recordings under one heading?
    Two clips: one and the same source, or not?
    Is what sounds in number one also what sounds in number two?
    Do the pair of audio files belong to a single class?
    Has the same thing been recorded twice over?
    Is there any difference in what sounds between clip one and clip two?
    Could one label serve for both files?
    Spot the difference: does the second file bring another sound?
    Match or mismatch?
    Does file two repeat the sound of file one?
    Identical sound classes in both takes?
    Is a different thing sounding in take two than in take one?
    Do I hear the same thing in both of the recordings?
    Are those two audio clips of the same sound, or of different sounds?
    Say if the sound in the first and in the second is the same.
    Is what we hear in both files the same?
""",
)

WHICH_AUDIO = phrases(
    """
    (in which|which) (recording|audio|clip|file|one|of the two recordings|of the two clips) (is {x} heard|has {x}|contains {x}|is {x} in|does one hear {x} in|do you hear {x} in)
    in which (recording|audio|clip|file) (is|was) {x} (heard|present|audible)
    in which (recording|audio|clip|file|of the two) (do|can) you <hear> {x}
    where (is|was) {x} (heard|present|audible) , in (audio 1 or audio 2|the first or the second recording|audio 1 or in audio 2)
    where (do|can) you hear {x} , in (audio 1 or audio 2|the first or the second recording|the first clip or the second)
    is {x} (in|heard in) (audio 1 or audio 2|the first or the second recording|audio 1 or in audio 2|the first or the second clip)
    (audio 1 or audio 2|first or second recording|first or second) : (where is {x} heard|which has {x}|which contains {x}|{x})
    (which|which of the two|which one) (contains|has|holds|includes) {x} , (audio 1 or audio 2|the first or the second recording)
    <name> the (recording|audio|clip) (with|that contains|that has|in which you hear) {x}
    <tell> which (recording|audio|clip) (has|contains|holds) {x}
    <tell> in which (recording|audio|clip) {x} is (heard|present)
    {x} : (which recording|which audio|audio 1 or audio 2|first or second recording)
    does (audio 1 or audio 2|the first or the second recording) (contain|have) {x}
    {x} is (heard|present|audible) in which (recording|audio|clip|file)
    which (of the two|of these|one of the two|of these two) (recordings|audios|clips|files) (has|contains|holds|features|includes) {x}
    (which|what) (audio|recording) number (has|contains|holds) {x}
    {x} (was|is) (recorded|captured|contained|heard) in (which one|which of the two|which of them)
    (to|in) which (one|of the two|of them) (do you hear|can one hear|is there) {x}
    (decide|determine|say|find out) (which recording|which audio|in which clip) (has|is) {x}
    {x} , (audio 1 or audio 2|first or second|in the first or in the second recording)
    does {x} (occur|sound|happen|come) in (audio 1 or audio 2|the first or the second recording|the first or the second clip)
""",
    """
    To find {x}, which of the two files should I open?
    Was it take one or take two that caught {x}?
    Number of the audio with {x} in it?
    {x} belongs to which of the pair?
    Between the pair of files, where does {x} turn up?
    Which take has {x} on it?
    Only one of both clips features {x}. Which one?
    Point me to the clip with {x}.
    Is it the former or the latter recording that features {x}?
    Which audio number goes with {x}?
    One of them has {x}: one or two?
    Tell apart the two: who has {x}?
    Is {x} to be heard in the first audio or in the second audio?
    Which of the recordings is the one with {x}?
    Where do we hear {x}: the first clip or the second clip?
""",
)


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
