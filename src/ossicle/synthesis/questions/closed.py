"""Questions that offer their answers: this or that, and multiple choice with letters."""

# ruff: noqa: E501 - one template, one line

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ossicle.synthesis.questions.counting import COUNT
from ossicle.synthesis.questions.facts import SPOKEN_KINDS, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.order import FIRST, first_event
from ossicle.synthesis.questions.phrasing import named, named_alike, phrases
from ossicle.synthesis.questions.speech import DIGIT, EMOTION, KEYWORD, feeling, only
from ossicle.synthesis.questions.which import INSTRUMENT, LABEL

EITHER = phrases(
    """
    (is|was) (it|this|that|the sound|the noise) {xs} [<in>]
    (is|was) {xs} (heard|audible|present|there|in it|what you hear) [<in>]
    (do|did|can) (you|we|one) <hear> {xs} [<in>]
    is there {xs} [<in>]
    (what|which) (is|was) (heard|it|this|there|audible|present) [<in>] , {xs}
    (what|which) (do|can) you hear [<in>] , {xs}
    (which|which one|which of these|what) (is it|is heard|do you hear|occurs|is present|is it in <rec>) : {xs}
    which of (these|the following|them) (is heard|do you hear|is it|is present|occurs) [<in>] : {xs}
    does (<rec>|it|this) (contain|have|include) {xs}
    <tell> (if|whether) (it is|this is|you hear|there is) {xs} [<in>]
    (pick|choose|select|choose one|pick one) : {xs}
    (decide|choose) between {xs_and}
    between {xs_and} , (which|what) (is it|is heard|do you hear|is present) [<in>]
    {xs}
    {xs} : which (is it|is heard|one|do you hear) [<in>]
    {xs} , (what|which) (is it|is heard|do you hear) [<in>]
    (which|what) (sound|noise) is (it|this|heard) [<in>] , {xs}
    would you say (it is|this is|you hear) {xs}
    (sound|answer) : {xs}
    (is|was) that {xs} [<in>]
    one of these is heard [<in>] , which [one] : {xs}
    (does|did) {xs} (occur|happen|sound|appear) [<in>]
    what (does it|does this|does <rec>) (sound like|contain) , {xs}
    (which|what) of (the two|these two|the two sounds|the following) (is|was|can be) (heard|audible|present|recorded|it) [<in>] , {xs}
    (what|which) (was|has been) (recorded|captured|heard) [<in>] , {xs}
    is what (you hear|is heard|is recorded) {xs}
    (has|was) <rec> (captured|recorded|got) {xs}
    (tell|say) which (one|of the two|one it is) : {xs}
    (choose|pick|select|decide) (which is heard|what you hear|which one it is|the right one|the right answer) : {xs}
    which of these (sounds|words|labels) (fits|matches|is right|is correct|is heard) : {xs}
    do you think (it is|this is|that is) {xs}
    (which|what) is more likely [<in>] , {xs}
    which label (fits|is right|is correct|suits <rec>) : {xs}
    (could|might) (it|this|that) be {xs}
    (this|it) is {xs} , which [one] [is it]
    (what|which) (did|do) you (hear|notice|recognise) : {xs}
""",
    """
    I can't decide if it's {xs}. What do you say?
    Make up your mind: {xs}?
    What reaches the ear, {xs}?
    Only one of them was recorded. {xs}?
    What has the microphone caught: {xs}?
    Would you go for {xs}?
    Out of {xs_and}, which one made it into the clip?
    Settle a bet: {xs}?
    Which fits better, {xs}?
    Could we be dealing with {xs}?
    The right answer is one of these. {xs}?
    Which of the candidates matches: {xs}?
    Take your pick - {xs}?
    Say what you hear, {xs}.
    In this recording, is it {xs} that we hear?
    Which one of them can be heard, {xs}?
    What is it that the audio has, {xs}?
    So what was it then, {xs}?
""",
)

EITHER_FEELING = phrases(
    """
    (is|was) the (speaker|person|voice|talker) {xs} [<in>]
    does the (speaker|person|voice|talker) (sound|feel|seem|appear) {xs} [<in>]
    (does|is) (he|she) {xs} [<in>]
    (what|how) does the (speaker|person) (feel|sound) [<in>] , {xs}
    (which|what) (emotion|mood|feeling) (is it|is heard|does the speaker have|do you hear) [<in>] , {xs}
    <tell> (if|whether) the (speaker|person) (is|sounds|feels) {xs} [<in>]
    {xs}
    {xs} : which (emotion|mood|feeling) (is it|is heard)
    (emotion|mood) : {xs}
    (is this|is it) {xs} [<in>]
    is the (emotion|mood|tone|feeling) {xs} [<in>]
    would you say the (speaker|person|voice) is {xs}
    between {xs_and} , (which|what) is the (emotion|mood|speaker's mood)
    (how|what) (would you say|do you think) the speaker (feels|is) : {xs}
    (which|what) (is|describes) the (speaker's mood|speaker's emotion|mood|emotion|state of the speaker) [<in>] , {xs}
    (has|is) the (person|speaker|man or woman) (speaking|talking) {xs}
    (choose|pick|select) the (emotion|mood|feeling) : {xs}
    (judging by|from) the voice , is the speaker {xs}
    (was|is) (this|it) (said|spoken) by someone (who is|feeling) {xs}
    (which|what) of (these|the following) (emotions|moods) (is it|fits|is heard|does the speaker have) : {xs}
    (emotionally|by the tone) , is (it|the speaker) {xs}
""",
    """
    What fits the voice better: {xs}?
    Do they come across as {xs}?
    Which affect is it: {xs}?
    How is the talker's state best put, {xs}?
    Would this person be {xs}?
    Which mood is the speaker in: {xs}?
    Is the feeling in this voice {xs}?
    Say how the speaker feels, {xs}.
""",
)

FEELINGS = {
    "anger": "angry",
    "boredom": "bored",
    "disgust": "disgusted",
    "fear": "afraid",
    "happiness": "happy",
    "sadness": "sad",
    "neutral": "neutral",
    "surprise": "surprised",
    "calm": "calm",
}


def _listed(options: list[str], joint: str) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} {joint} {options[-1]}"


class Fact(NamedTuple):
    """Something true that can be asked with wrong options beside it."""

    label: str
    kind: str


def _one_sound(facts: Facts, rng: Random) -> Fact | None:
    labels = [label for label in facts.nameable if facts.askable(label, facts.kind_of(label))]
    if not labels:
        return None
    label = rng.choice(labels)
    return Fact(label, facts.kind_of(label))


def _feeling(facts: Facts, rng: Random) -> Fact | None:
    felt = feeling(facts)
    return Fact(felt, "emotion") if felt else None


def _shuffled(true: str, wrong: list[str], rng: Random) -> list[str]:
    options = [true, *wrong]
    rng.shuffle(options)
    return options


@family(
    "either",
    weight=2.0,
    phrases={"either": EITHER, "feeling": EITHER_FEELING},
    ready=lambda f: bool(f.vocabulary) and bool(f.nameable or feeling(f)),
)
def either(facts: Facts, rng: Random, say: Say) -> Question | None:
    """The true one of two (now and then three or four) options, as it stands."""
    fact = _feeling(facts, rng) or _one_sound(facts, rng)
    if fact is None:
        return None
    wrong = facts.distractors(fact.label, fact.kind, rng.choice((1, 1, 1, 1, 1, 2, 3)), rng)
    if not wrong:
        return None
    options = _shuffled(fact.label, wrong, rng)
    if fact.kind == "emotion" and rng.random() < 0.7:
        asked = [FEELINGS.get(one, one) for one in options]
        variant = "feeling"
    else:
        asked = named_alike(options, [fact.kind] * len(options), rng)
        variant = "either"
    text = say(variant, xs=_listed(asked, "or"), xs_and=_listed(asked, "and"))
    return Question("either", text, f"{fact.label}.", (fact.label,), tuple(options), keep=tuple(asked))


HEARD = phrases(
    """
    which of (these|the following|the options|the following sounds|these sounds) (is|can be|was) (heard|present|audible|in it) [<in>]
    which (option|answer|one|alternative|choice) is (right|correct|true|heard)
    which (sound|option) is (heard|present|audible|there) [<in>]
    what (is heard|do you hear|can be heard) [<in>]
    (choose|pick|select|mark) the (right|correct|true) (option|answer|one|sound|alternative)
    (choose|pick|select|mark) (what you hear|the sound you hear|the sound that is heard|what is heard) [<in>]
    which of (these|the following) do you <hear> [<in>]
    what does <rec> contain
    (one|only one) of these is heard , which
    which of (these|the following) (does <rec> contain|is it|is in <rec>)
    which of the (options|following options|options below|answers|choices|alternatives|following choices) (is|fits|matches|describes) (correct|right|best|true|the audio|<rec>|what you hear)
    which (option|choice|answer|alternative) [best] (fits|matches|describes) (<rec>|what is heard|what you hear|the sound)
    (which|what) (one|sound) (of these|of the following|from the list|in the list) (is heard|do you hear|is present|can be heard|is audible) [<in>]
    (choose|select|pick|mark|give|find) the (best|correct|right|matching|fitting) (option|answer|choice|letter|label|one) [for <rec>]
    (multiple choice|quiz) : (what is heard|what do you hear|which sound is it|which is it)
    (from|out of|among) (these|the following|the options|the list) , (which|what) (is heard|do you hear|is in <rec>|is present)
    which (label|name|sound) (below|of these|of the following) (fits|is right|belongs to <rec>|matches|is correct)
    what sound (is heard|do you hear|is this|is it) [<in>] ? (choose|pick|select) one
    what (was|is) (recorded|captured|heard) [<in>]
    (answer|solve) the (multiple choice|multiple-choice) question : (what is heard|which sound do you hear)
""",
    """
    Tick the option that matches the audio.
    Which letter belongs to what is sounding?
    Pick the fitting entry from the list.
    Only one of the lines below is true. Which?
    Find the option that the recording bears out.
    What fits best?
    Exam question: what was recorded?
    Quiz: what is this?
    Go for the best match.
    Select one entry.
    Which of the candidates is to be found in the sound?
    Consider the options and settle on one.
    The correct entry is...?
    Which of the listed sounds can you hear in the recording?
    Say which option is the one that you hear.
    What do you hear? Pick the right one of these.
    Which one of the following was recorded?
    Select the correct answer to what is heard.
""",
)


class Stem(NamedTuple):
    """A question to which options can be put."""

    variant: str
    fact: Callable[[Facts, Random], Fact | None]


def _alone(facts: Facts, rng: Random) -> Fact | None:
    return _one_sound(facts, rng) if facts.all_nameable and len(facts.by_label) == 1 else None


def _instrument(facts: Facts, rng: Random) -> Fact | None:
    fact = _alone(facts, rng)
    return fact if fact and fact.kind == "instrument" else None


def _digit(facts: Facts, rng: Random) -> Fact | None:
    event = only(facts, "digit")
    return Fact(event.label, "digit") if event else None


def _keyword(facts: Facts, rng: Random) -> Fact | None:
    event = only(facts, "keyword")
    return Fact(event.label, "keyword") if event else None


def _first(facts: Facts, rng: Random) -> Fact | None:
    event = first_event(facts) if len(facts.by_label) > 1 else None
    return Fact(event.label, event.kind) if event else None


def _not_spoken(facts: Facts, rng: Random) -> Fact | None:
    fact = _alone(facts, rng)
    return fact if fact and fact.kind not in SPOKEN_KINDS else None


_STEMS = (
    Stem("heard", _one_sound),
    Stem("heard", _one_sound),
    Stem("label", _not_spoken),
    Stem("instrument", _instrument),
    Stem("digit", _digit),
    Stem("keyword", _keyword),
    Stem("first", _first),
    Stem("emotion", _feeling),
    Stem("emotion", _feeling),
)
_LETTERS = "ABCDEF"
_MARKS = ("{0}) ", "{0}) ", "{0}. ", "({0}) ", "{0}: ", "{0} - ", "[{0}] ")
_BREAKS = ("\n", "\n", "\n", " ", ", ", "; ", " / ")
_LEADS = ("", "", "", "Options:", "Choices:", "Choose from:", "Answers:", "Choose one:", "The options are:")
_CLOSINGS = (
    "",
    "",
    "",
    "",
    "",
    "Answer with the letter.",
    "Answer with one of the options.",
    "Which letter?",
    "Choose one.",
    "Only one is right.",
    "Answer with the letter and the option.",
    "Answer:",
    "Please choose the correct option.",
    "Which one is correct?",
)


def lettered(stem: str, options: list[str], rng: Random, held_out: bool) -> tuple[str, str]:
    """(the stem with its options below or behind it; the list of options by itself).

    Layouts with ``[A]`` and `` / `` are kept for testing.
    """
    mark = rng.choice(_MARKS if held_out else _MARKS[:-1])
    gap = rng.choice(_BREAKS if held_out else _BREAKS[:-1])
    listing = gap.join(f"{mark.format(letter)}{option}" for letter, option in zip(_LETTERS, options, strict=False))
    lead, closing = rng.choice(_LEADS), rng.choice(_CLOSINGS)
    gap = "\n" if "\n" in listing else " "
    return gap.join(part for part in (stem, lead, listing, closing) if part), listing


def _chosen(say: Say, variant: str, true: str, wrong: list[str], rng: Random, **slots: str) -> Question:
    """The question with its options shuffled: every letter is the answer equally often."""
    options = _shuffled(true, wrong, rng)
    text, listing = lettered(say(variant, **slots), options, rng, say.held_out)
    choices = tuple(f"{letter}) {option}" for letter, option in zip(_LETTERS, options, strict=False))
    answer = choices[options.index(true)]
    return Question("choice", text, f"{answer}.", (true, answer[0]), choices, keep=(listing, *slots.values()))


def _count_choice(facts: Facts, rng: Random, say: Say) -> Question | None:
    """Options that are numbers, about a sound that repeats (one would else be the safe answer)."""
    repeated = [label for label, events in facts.nameable.items() if 2 <= len(events) <= 6]
    if not repeated:
        return None
    x = rng.choice(repeated)
    number = len(facts.by_label[x])
    others = [n for n in range(1, 7) if n != number]
    wrong = rng.sample(others, rng.randint(1, 4))
    return _chosen(say, "count", str(number), [str(n) for n in wrong], rng, x=named(x, facts.kind_of(x), rng))


@family(
    "choice",
    weight=2.5,
    phrases={
        "heard": HEARD,
        "label": LABEL,
        "instrument": INSTRUMENT,
        "digit": DIGIT,
        "keyword": KEYWORD,
        "first": FIRST,
        "emotion": EMOTION,
        "count": COUNT,
    },
    ready=lambda f: bool(f.vocabulary) and bool(f.nameable or feeling(f)),
)
def choice(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``B) knock.``"""
    if rng.random() < 0.08 and (question := _count_choice(facts, rng, say)):
        return question
    found = [(stem, fact) for stem in _STEMS if (fact := stem.fact(facts, rng))]
    if not found:
        return None
    stem, fact = rng.choice(found)
    wrong = facts.distractors(fact.label, fact.kind, rng.randint(1, 5), rng)
    if stem.variant == "first" and rng.random() < 0.7:
        # What else is heard is the honest distractor; it comes with clear labels only.
        wrong = [label for label in facts.nameable if label != fact.label and rng.random() < 0.9] + wrong[:1]
        wrong = wrong[:5]
    if not wrong:
        return None
    as_felt = fact.kind == "emotion" and rng.random() < 0.25
    true, *wrong = (FEELINGS.get(one, one) if as_felt else one for one in (fact.label, *wrong))
    return _chosen(say, stem.variant, true, wrong, rng)
