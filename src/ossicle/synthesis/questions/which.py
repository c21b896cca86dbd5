"""Which sound is it, is it there, which is louder."""

# ruff: noqa: E501 - one template, one line

from itertools import combinations
from random import Random

from ossicle.synthesis.questions.clauses import PRESENCE_CLAUSE
from ossicle.synthesis.questions.facts import LOUDER_DB, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import named_alike, phrase_of, phrases
from ossicle.synthesis.questions.surfaces import mention

LABEL = phrases(
    """
    what (sound|noise|sound event) (is this|is it|is that|do you hear|can you hear|is heard|can be heard|is audible|is in <rec>|is present) [<in>]
    which (sound|noise|sound event) (is this|is it|do you hear|can you hear|is heard|can be heard|is audible|occurs|is present) [<in>]
    what (do|can|did) (you|we|one) hear [<in>]
    what (is|can be) (heard|noticed|made out) [<in>]
    what is (this|that|it) [sound|noise]
    what's (this|that) [sound|noise]
    what's the (sound|noise) [<in>]
    what is the (sound|noise) (in <rec>|called|here|that you hear)
    what (kind|type|sort) of (sound|noise|audio|sound event) (is this|is it|is heard|do you hear|is present|can be heard) [<in>]
    what is (making|causing|producing) (this|the|that) (sound|noise)
    what (makes|caused|made|produces) (this|the|that) (sound|noise)
    what is the source of (this|the) (sound|noise)
    where does (this|the) (sound|noise) come from
    <name> (the|this) (sound|noise|sound event|audio event|sound source) [<in>]
    (classify|label|recognise|recognize) (the|this) (sound|noise|audio|clip|recording|sound event)
    <tell> (what|which) (sound|noise) (this is|it is|is heard|you hear|is present) [<in>]
    <tell> what (you hear|is heard|can be heard|this is|is audible|the sound is) [<in>]
    [sound|audio|noise] (class|label|category|type) [of <rec>|of the sound]
    what (class|category|label) does (the|this) (sound|noise|clip|recording|audio) (belong to|have|fall into)
    to what (class|category) does (the|this) (sound|recording) belong
    what (is|was) recorded [here|<in>]
    what (happens|is happening|is going on|goes on|takes place|is occurring|was that) [<in>]
    (which sound|what sound|the sound|sound|what) [is it|<in>]
    what does <rec> contain
    what (is|does it sound) (in <rec>|like)
    what does (it|this|<rec>) sound like
    (this|it) is the sound of what
    the sound of what is (this|heard|in <rec>)
    (assign|give) (a|the|one) (label|class|name) to (this|the) (sound|recording|clip)
    (do you|can you) (recognise|recognize|identify|name) (this|the) (sound|noise|clip|recording)
    what would you call (this|the) (sound|noise)
    how would you (label|classify|name|call) (this|the) (sound|noise|clip)
    what (has been|was|is being) (recorded|captured|picked up) [<in>]
    what (is|are) (you|we) (hearing|listening to) [<in>]
    (can you|could you|please|would you) (tell|say) (what|which) (sound|noise) (this is|it is|is heard)
    (which|what) (label|name|class|category) (fits|describes|matches|suits) (the|this) (sound|recording|clip|audio) [best]
    (predict|guess|detect|determine|output|state) the (label|class|sound|sound class|sound event|source) [of <rec>]
    (what|which) (object|animal|thing|source|action|activity|person or thing) (makes|is making|produces|causes) (this|the) (sound|noise)
    what (could|might|can) (this|it|that) (sound|noise|recording|clip) be
    what do you think (this|it|the sound|this sound) is
    (what|which) (event|acoustic event|audio event|sound event) (is|was) (recorded|heard|captured|this|it) [<in>]
    (the|this) (clip|recording|audio) (is|has) the sound of what
    (what|which) sound does <rec> (contain|hold|have|feature|capture)
    in <rec> (I|we|you) (can hear|hear) what
    (describe|name) (the|this) (sound|noise) in (one word|a word or two|a few words)
    what (one|single) sound (is heard|is there|do you hear) [<in>]
""",
    """
    Pray, what might that sound be?
    Which of the world's noises has been captured here?
    Could you put a name to what is audible?
    I hear something - what is it?
    What has the microphone picked up?
    What am I listening to?
    Recognize the acoustic event.
    Under which label would you file this clip?
    What could be producing the noise we hear?
    Please work out what is sounding.
    Take a guess: which sound could that have been?
    What exactly was captured by the recorder?
    sound id?
    The sound one hears in this audio is that of...?
    Which everyday sound does this correspond to?
    What sound has been recorded in this file?
    Please tell me what it is that I'm hearing.
    Which sound event can you recognise in the given audio?
    Say in a word or two what is heard here.
    What type of sound does the audio contain?
""",
)

MAIN = phrases(
    """
    (what|which) is the (main|dominant|most prominent|principal|primary|strongest|clearest) (sound|noise|event) [<in>]
    (what|which) (sound|noise) (dominates|stands out|is in the foreground|is most prominent|is clearest) [<in>]
    <name> the (main|dominant|most prominent|principal|primary|strongest) (sound|noise|event) [<in>]
    (main|dominant|principal|foreground) (sound|noise)
    what is mainly heard [<in>]
    <tell> what (is mainly heard|the main sound is|sound stands out) [<in>]
""",
    """
    Which sound sits in the foreground?
    What do you mostly hear?
    Of everything audible, which noise stands out the most?
    What is the leading sound?
""",
)

INSTRUMENT = phrases(
    """
    (what|which) (instrument|musical instrument) (is this|is it|is heard|is playing|do you hear|plays|is played|is being played|can be heard|sounds) [<in>]
    <name> (the|this) (instrument|musical instrument) [<in>]
    <tell> (which|what) (instrument|musical instrument) (is playing|this is|it is|is heard|plays|is played) [<in>]
    what is (playing|being played) [<in>]
    (what|which) (kind|type|sort) of instrument (is this|is it|plays|is heard|is being played) [<in>]
    [musical] instrument [name|type]
    on (what|which) instrument is (this|it) (played|being played)
    what does the musician play [<in>]
    (which|what) (instrument|musical instrument) (can you|do you|did you) (hear|recognise|recognize|identify|make out) [<in>]
    (predict|guess|detect|determine|output|state|classify|recognise|recognize) the (instrument|musical instrument) [<in>]
    (which|what) (instrument|musical instrument) (produces|makes|made|produced) (this|the) (sound|note|tone|music)
    (which|what) instrument (is|was) (recorded|used|featured|captured) [<in>]
    what is the (name|type) of the instrument [<in>]
    the (instrument|musical instrument) (is|heard is|playing is) (what|which [one])
""",
    """
    What would you say the instrument is?
    Which instrument did the player pick up?
    What is the musician holding?
    From which instrument does this tone come?
    What musical instrument produced this?
    What's the instrument being heard?
    Which instrument was this note played on?
    Tell me the name of the instrument that plays.
""",
)


def phrase_for(facts: Facts, label: str) -> str:
    """A heard label inside an answer."""
    return phrase_of(label, facts.kind_of(label))


def main_event(facts: Facts) -> str | None:
    """The label that is clearly louder than every other, where there are several."""
    rows = sorted(facts.nameable, key=lambda label: max(e.level_db for e in facts.by_label[label]))
    if len(rows) < 2 or len(rows) < len(facts.by_label):
        return None
    top, next_ = (max(e.level_db for e in facts.by_label[label]) for label in (rows[-1], rows[-2]))
    return rows[-1] if top - next_ >= LOUDER_DB else None


@family(
    "label",
    weight=3.0,
    phrases={"label": LABEL, "main": MAIN, "instrument": INSTRUMENT},
    ready=lambda f: f.only_a_voice or (f.all_nameable and (len(f.by_label) == 1 or main_event(f) is not None)),
)
def label(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``That is water flowing.``"""
    if len(facts.by_label) == 1:
        heard = next(iter(facts.by_label))
        instrument = facts.kind_of(heard) == "instrument" and rng.random() < 0.5
        text = say("instrument" if instrument else "label")
    else:
        heard = main_event(facts)
        if heard is None or rng.random() < 0.6:  # a rarer question, of scenes that allow many others
            return None
        text = say("main")
    targets = ("speech", "someone speaking") if facts.only_a_voice else (heard,)
    return Question("label", text, f"That is {phrase_for(facts, heard)}.", targets)


PRESENCE = phrases(
    """
    (is|was) {x} (heard|audible|present|there|in it|in <rec>|to be heard) [<in>]
    is there {x} [<in>]
    is there any (sign|trace|hint) of {x} [<in>]
    (can|could|do|did) (you|we|I|one) <hear> {x} [<in>]
    can {x} be (heard|noticed|detected|made out|perceived|found) [<in>]
    does (<rec>|it|this) (contain|include|have|feature|hold) {x}
    do (you|we) <hear> {x} at any (point|time|moment) [<in>]
    (does|did) {x} (occur|appear|happen|sound|come up|come|show up) [at some point|at all|anywhere] [<in>]
    <tell> (if|whether) {x} is (heard|audible|present|there) [<in>]
    <tell> (if|whether) (you hear|there is|you can hear|<rec> contains) {x} [<in>]
    {x} (heard|present|audible|yes or no|there|or not|in <rec>)
    is {x} (one of the sounds|among the sounds|part of what is heard|something you hear) [<in>]
    [any|is that|was that] {x} [<in>]
    yes or no , (is|was) {x} (heard|there|present|audible) [<in>]
    yes or no : (is there {x}|do you hear {x}|{x})
    (true or false|is it true|is it so) : {x} is (heard|present|audible|there) [<in>]
    is it (true|correct|right|the case) that {x} is (heard|present|audible|in it)
    (isn't|wasn't) {x} (heard|there|present) [<in>]
    (don't|can't) you hear {x} [<in>]
    (check|decide|determine|find out) (if|whether) {x} is (heard|present|audible|there) [<in>]
    have you (heard|noticed|detected) {x} [<in>]
    has {x} been (recorded|heard|captured) [<in>]
    (are|were) there [any] (sounds|signs|occurrences|instances) of {x} [<in>]
    did (anyone|you|we) hear {x} [<in>]
    would you say (there is|you hear|that there is|that you hear) {x} [<in>]
    at any (point|time|moment) , (is there|do you hear|can one hear) {x}
    (is|was) {x} (recorded|captured|picked up|contained|featured|included|found|detected|noticed) [<in>]
    (has|did) (<rec>|the microphone) (captured|caught|recorded|picked up) {x}
    is there (an occurrence|an instance|evidence|anything) of {x} [<in>]
    (does|did) (a|the) listener (hear|notice) {x} [<in>]
    is it possible to (hear|make out|detect) {x} [<in>]
    (among|amongst) the sounds , is there {x} [<in>]
    (are|were) you able to (hear|make out|detect) {x} [<in>]
    (verify|confirm|say|tell me) (if|whether) {x} (occurs|happens|appears|was recorded) [<in>]
    does the sound of {x} (occur|appear|come) [<in>]
    does (anything|something) (sound like|resemble) {x} [<in>]
    (yes or no|true or false) , {x} [is heard|is present] [<in>]
    {x} is (heard|present|audible|there) [<in>] , (right|true or false|correct|yes or no|isn't it|true)
    (presence|absence or presence|occurrence) of {x} [<in>]
    can (one|somebody|anyone) (hear|notice|make out) {x} [<in>]
    is {x} (missing or present|present or absent|present or not|there or not) [<in>]
""",
    """
    Would a listener come across {x} in it?
    Did {x} make it onto the recording?
    I think I heard {x}. Am I right?
    Does {x} figure in this audio?
    Presence of {x}: yes or no?
    Is {x} part of the mix?
    Anywhere in there, {x}?
    Might there be {x} somewhere in the clip?
    Was {x} picked up by the recorder?
    Verify that {x} can be heard.
    Could it be that {x} occurs in this sample?
    Do your ears find {x}?
    How about {x}, is that in there?
    Please confirm whether {x} is included.
    Do we get to hear {x} in this audio clip?
    Is the following sound audible: {x}?
    Please say yes or no: is there {x} to be heard?
    In this sound file, is {x} something that occurs?
    Was there any {x} that you could hear?
""",
)


def _mirrored(facts: Facts, candidates: list[str], rng: Random) -> str | None:
    """A heard label, turned down as often as an absent one would have been.

    Absent labels are blocked by what is confusable with them in the scene. Heard labels are held to
    the same sieve against a made-up scene of the same kinds, so that no label says yes by itself.
    """
    kinds = [events[0].kind for events in facts.by_label.values() if facts.vocabulary.get(events[0].kind)]
    for _ in range(8):
        chosen = rng.choice(candidates)
        others = [rng.choice(facts.vocabulary[kind]) for kind in kinds]
        if not any(
            chosen == other or chosen in facts.confusable(other) or other in facts.confusable(chosen)
            for other in others
        ):
            return chosen
    return None


@family(
    "presence",
    weight=3.0,
    phrases={"presence": PRESENCE, "presence_clause": PRESENCE_CLAUSE},
    ready=lambda f: bool(f.vocabulary) and (bool(f.nameable) or not f.events),
)
def presence(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Yes, glass breaking is heard.`` or ``No, there is no glass breaking.``, equally often."""
    if facts.events:
        # One event decides the kind for both answers, so that the kind says nothing either.
        kind = rng.choice(facts.events).kind
        heard = [label for label in facts.nameable if facts.kind_of(label) == kind and facts.askable(label, kind)]
        if not heard:
            return None
        # Both must be possible before one is drawn, or the scenes that allow only one would tip the balance.
        there = rng.random() < 0.5
        yes, no = _mirrored(facts, heard, rng), facts.absent_label(kind, rng)
        x = None if yes is None or no is None else yes if there else no
    else:
        # All of these are denials; more than a few would teach to deny.
        if rng.random() < 0.8:
            return None
        kind, there = rng.choice([k for k in facts.vocabulary if k not in ("emotion", "command")] or [""]), False
        x = facts.absent_label(kind, rng)
    if x is None:
        return None
    choices = (f"Yes, {x} is heard", f"No, there is no {x}")
    return Question(
        "presence",
        mention(say, "presence", x, kind, rng),
        choices[not there] + ".",
        ("yes" if there else "no",),
        choices,
        keep=(x,),
    )


LOUDER = phrases(
    """
    (which|what) is louder , {x} or {y}
    (which|what) [one] (sounds|is|was|seems) (louder|the louder one|stronger|more intense) [<in>] , {x} or {y}
    which of the two is louder , {x} or {y}
    which (sound|noise) is (louder|the louder one|stronger) [<in>] , {x} or {y}
    is {x} or {y} (louder|the louder one|the louder) [<in>]
    is it {x} or {y} that is louder [<in>]
    (louder|the louder one|the louder sound|stronger) [<in>] : {x} or {y}
    {x} or {y} : which [one] is (louder|stronger)
    {x} or {y} , (which|what) [one] is (louder|stronger|the louder one) [<in>]
    {x} versus {y} : which is louder
    between {x} and {y} , which [one] is (louder|the louder|stronger) [<in>]
    of {x} and {y} , which [one] is (louder|the louder one|stronger)
    <tell> (which|what) is louder [<in>] , {x} or {y}
    (compare|judge) the (loudness|volume|level) of {x} and {y} : which is louder
    (compare|comparing) {x} and {y} : which is louder
    which has (more|the higher|the greater) (volume|level|loudness) , {x} or {y}
    (name|pick|choose) the louder (one|sound|of the two) : {x} or {y}
    which (drowns out|overpowers) the other , {x} or {y}
    which of these is (louder|the loudest) : {x} or {y}
    which (sound|one|of them) is (played|heard|recorded) (louder|at a higher volume|at a higher level|with more volume) , {x} or {y}
    which (of these|of these two|of these sounds|one of the two) (is|sounds) louder : {x} or {y}
    (does|is) {x} or {y} (sound|come out|come across|come over) louder [<in>]
    (which|what) (is|sounds) the (loudest|louder) [one] [<in>] , {x} or {y}
    who is louder , {x} or {y}
    is {x} louder than {y} or {y} louder than {x}
    (determine|decide|find out|say) which is louder : {x} or {y}
""",
    """
    Does {x} drown out {y}, or the other way round: which one is it?
    Which carries more volume: {x} or {y}?
    What hits the ear harder, {x} or {y}?
    In terms of loudness, who wins: {x} or {y}?
    Out of {x} and {y}, pick whichever is played at the greater volume.
    Put {x} against {y}: which has the higher level?
    Loudness contest, {x} or {y}?
    Does {x} beat {y} in loudness, or is it the reverse? Name the winner.
    Which of them comes through with greater force, {x} or {y}?
    {x} and {y} differ in volume. Which has more?
    Which one is not as quiet, {x} or {y}?
    Whichever is louder: {x} or {y}?
    Between {x} and {y}, what is heard louder in the audio?
    Of these two sounds, {x} and {y}, which has the greater loudness?
    Say which one's louder: {x} or {y}?
""",
)

LOUDEST = phrases(
    """
    (what|which) (sound|noise|event) is [the] loudest [<in>]
    what is the loudest (sound|noise|event|thing) [<in>]
    which (sound|noise|event) (has the highest level|is loudest of all|is the loudest of all) [<in>]
    <name> the loudest (sound|noise|event) [<in>]
    loudest (sound|noise|event) [<in>]
    <tell> (what|which) (sound|noise) is [the] loudest [<in>]
    what (do you hear|is heard|can be heard) [the] loudest [<in>]
""",
    """
    Which sound has the greatest volume of all?
    Nothing is louder than what in this audio?
    What reaches the peak volume?
""",
)


def _level(facts: Facts, heard: str) -> float:
    return facts.unique[heard].level_db


def _louder_pairs(facts: Facts) -> list[tuple[str, str]]:
    return [(a, b) for a, b in combinations(facts.unique, 2) if abs(_level(facts, a) - _level(facts, b)) >= LOUDER_DB]


@family(
    "louder",
    weight=0.7,
    phrases={"louder": LOUDER, "loudest": LOUDEST},
    ready=lambda f: len(f.unique) >= 2 and bool(_louder_pairs(f)),
)
def louder(facts: Facts, rng: Random, say: Say) -> Question | None:
    """The louder label, as it stands."""
    if facts.all_nameable and rng.random() < 0.2 and (top := main_event(facts)):
        return Question("louder", say("loudest"), f"{top}.", (top,))
    pair = list(rng.choice(_louder_pairs(facts)))
    rng.shuffle(pair)
    x, y = named_alike(pair, [facts.kind_of(one) for one in pair], rng)
    winner = max(pair, key=lambda one: _level(facts, one))
    return Question("louder", say("louder", x=x, y=y), f"{winner}.", (winner,), tuple(pair), keep=tuple(pair))


@family("nothing", weight=1.0, phrases={"label": LABEL, "main": MAIN}, ready=lambda f: not f.events)
def nothing(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Nothing but background noise.`` or ``Silence.``"""
    answer = "Nothing but background noise." if facts.background else "Silence."
    return Question(
        "nothing", say(rng.choice(("label", "label", "label", "main"))), answer, ("nothing", answer.rstrip(".").lower())
    )
