"""How many times, and how many sounds."""

# ruff: noqa: E501 - one template, one line

from random import Random

from ossicle.synthesis.questions.clauses import COUNT_CLAUSE
from ossicle.synthesis.questions.facts import Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrases
from ossicle.synthesis.questions.surfaces import mention

COUNT = phrases(
    """
    how many times (is|was|can|does one hear|do you hear|do we hear|did you hear) {x} [heard|there] [<in>]
    how many times (does|did) {x} (occur|happen|appear|sound|come|repeat) [<in>]
    how many times is {x} (heard|audible|present|repeated) [<in>]
    how many times can {x} be (heard|noticed|made out|counted) [<in>]
    how many times (is there|do you hear|can you hear|did I hear|was there) {x} [<in>]
    how often (is|was) {x} (heard|audible|present|repeated) [<in>]
    how often (does|did) {x} (occur|happen|appear|sound|come) [<in>]
    how often (do|can|did) (you|we|one) hear {x} [<in>]
    how many {x} (are there|do you hear|can be heard|are heard|occur|events are there|sounds are there) [<in>]
    how many (occurrences|instances|repetitions|repeats) of {x} (are there|do you hear|are heard|occur|can you count) [<in>]
    (count|tally|count up) {x} [<in>]
    count (the|all|every) (occurrences|instances|times) of {x} [<in>]
    count how (often|many times) {x} (is heard|occurs|happens|sounds) [<in>]
    (number|count|total) of {x} [<in>]
    (number|count) of (times|occurrences of) {x} [is heard] [<in>]
    <give> the (number|count) of (occurrences of|times of|) {x} [<in>]
    <tell> how (many times|often) {x} (is heard|occurs|happens|sounds|appears) [<in>]
    what is the (number|count) of (occurrences|instances|repetitions) of {x} [<in>]
    {x} : how (many times|often|many)
    {x} , how (many times|often|many)
    {x} (occurs|is heard|happens|sounds) how (many times|often) [<in>]
    in <rec> , how (many times|often) (do you hear|is there|can one hear) {x}
    how many separate {x} (are there|do you hear|are heard) [<in>]
    how many times (has|was) {x} (been heard|recorded|detected|repeated|played) [<in>]
    (what is|what's|give|state) the (total|total number|number|frequency|tally) of {x} [<in>]
    (once , twice or more often|once or several times) : how often is {x} heard
    (keep|make) a (count|tally) of {x} : how many [are there]
    how (frequently|often|many times) (is|was) {x} (repeated|heard|noticed|detected) [<in>]
    how (frequently|often) (does|did) {x} (occur|happen|repeat) [<in>]
    how many individual {x} (can be heard|are heard|do you hear|are there) [<in>]
    on how many occasions (is|was) {x} heard [<in>]
    (tell|say) the (number|count) of times {x} (occurs|is heard|happens|appears|repeats) [<in>]
    what number of times (is|was) {x} heard [<in>]
    (in|over) the whole recording , how (often|many times) (is|does one hear) {x} [heard]
    {x} is (heard|repeated) a (number|couple) of times : how many
    (determine|find|estimate|report) (how many times|how often) {x} (occurs|is heard) [<in>]
""",
    """
    {x} - what's the tally?
    Keep a tally: how frequently does {x} turn up?
    What number of times did {x} ring out?
    On how many occasions is {x} perceived?
    Exactly how frequent is {x} in this clip?
    Please enumerate {x} and report the total.
    Once, twice, or more: how many times {x}?
    How frequently can one make out {x}?
    Add up every {x} you notice.
    Frequency of {x}?
    How much repeating does {x} do - give a number.
    Of {x}, how many do you count?
    In total, {x} comes up how many times?
    What is the number of times that {x} can be heard?
    How many times in total does {x} sound?
    Count {x} for me: how many are there?
    Say how many times you heard {x}.
    In this audio, how many times could you hear {x}?
""",
)


def times(number: int) -> str:
    """``3 times``; the numeral comes first."""
    return f"{number} time" if number == 1 else f"{number} times"


@family("count", weight=1.6, phrases={"count": COUNT, "count_clause": COUNT_CLAUSE}, ready=lambda f: bool(f.nameable))
def count(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``3 times.``; now and then of a sound that isn't there."""
    labels = tuple(facts.nameable)
    x = rng.choice(labels)
    kind = facts.kind_of(x)
    number = len(facts.by_label[x])
    if number == 1 and rng.random() < 0.4:
        # One is what most sounds in most scenes are; prefer those that repeat.
        x = max(labels, key=lambda one: len(facts.by_label[one]))
        kind, number = facts.kind_of(x), len(facts.by_label[x])
    if rng.random() < 0.1:
        absent = facts.absent_label(kind, rng)
        if absent is not None:
            x, number = absent, 0
    if number > 9:
        return None
    return Question("count", mention(say, "count", x, kind, rng), times(number) + ".", (str(number),), keep=(x,))


TOTAL = phrases(
    """
    how many (sounds|sound events|noises|events) (are there|are heard|do you hear|can you hear|can be heard|occur|happen|are present) (in all|in total|altogether|all together|overall|counting repeats) [<in>]
    what is the total number of (sounds|sound events|noises|events) [<in>]
    (count|count up) (all|all the|every one of the) (sounds|noises|sound events|events) [<in>]
    total (number|count) of (sounds|noises|sound events|events) [<in>]
    <give> the total (number|count) of (sounds|events|sound events) [<in>]
    <tell> how many (sounds|events|sound events|noises) there are (in all|in total|altogether) [<in>]
    (in all|in total|altogether) , how many (sounds|events|noises) (are there|do you hear|are heard) [<in>]
""",
    """
    Counting each repetition, what number of sound events does this hold?
    All told, how many noises went by?
    What does the full count of events come to?
    Sum up all events: how many?
    Overall event count?
    With repeats counted, how many sounds come past?
""",
)

DIFFERENT = phrases(
    """
    how many (different|distinct|unique|various) (sounds|sound events|noises|events|kinds of sound|types of sound|sound sources) (are there|are heard|do you hear|can you hear|can be heard|occur|are present) [<in>]
    how many (kinds|types|sorts|classes) of (sounds|sound|noise|events) (are there|are heard|do you hear|can be heard|occur) [<in>]
    what is the number of (different|distinct|unique) (sounds|noises|sound events) [<in>]
    count the (different|distinct|unique) (sounds|noises|kinds of sound|sound events) [<in>]
    (number|count) of (different|distinct|unique) (sounds|noises|sound events|events) [<in>]
    <give> the number of (different|distinct|unique) (sounds|noises|events) [<in>]
    <tell> how many (different|distinct|unique) (sounds|noises|events|kinds of sound) there are [<in>]
""",
    """
    Ignoring repeats, what number of sounds would you list?
    How many sounds that are not alike does one hear?
    How varied is it: what number of distinct noises?
    Tally the separate kinds of noise.
    How many separate sources make themselves heard?
    Unique sound count?
""",
)

SOUNDS = phrases(
    """
    how many (sounds|sound events|noises|events) (are there|are heard|do you hear|can you hear|can be heard|occur|happen|are present) [<in>]
    what is the number of (sounds|sound events|noises) [<in>]
    count the (sounds|noises|sound events) [<in>]
    (number|count) of (sounds|noises|sound events|events) [<in>]
    <give> the number of (sounds|noises|events) [<in>]
    <tell> how many (sounds|noises|events) there are [<in>]
""",
    """
    What number of noises reaches your ears?
    How many things make a sound?
    How many noises were captured?
    Sounds: how many?
""",
)


@family(
    "count_events",
    weight=0.6,
    phrases={"total": TOTAL, "different": DIFFERENT, "sounds": SOUNDS},
    ready=lambda f: f.all_nameable and f.in_order and len(f.events) <= 9,
)
def count_events(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``4 sounds.``: repeats counted or not, as the question says; unasked where it doesn't and it matters."""
    total, distinct = len(facts.events), len(facts.by_label)
    variant = rng.choice(("total", "different", "sounds" if total == distinct else "total"))
    number = distinct if variant == "different" else total
    return Question("count_events", say(variant), f"{number} sound{'s' * (number != 1)}.", (str(number),))
