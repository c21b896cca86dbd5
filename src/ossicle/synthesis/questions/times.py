"""When something starts and ends, how long it lasts, and what is heard at a moment."""

# ruff: noqa: E501 - one template, one line

import math
from random import Random

from ossicle.chat.timeline import write_time
from ossicle.synthesis.questions.clauses import DURATION_CLAUSE, OFFSET_CLAUSE, ONSET_CLAUSE, SPAN_CLAUSE
from ossicle.synthesis.questions.facts import FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrase_of, phrases
from ossicle.synthesis.questions.surfaces import mention

MARGIN_S = 0.2  # a moment this near an edge is neither inside nor outside

ONSET = phrases(
    """
    when (does|did) {x} (start|begin|set in|come in|commence|first sound|first occur|first appear) [<in>]
    (at what|at which) (time|second|moment|point|point in time) (does|did) {x} (start|begin|set in|commence|first occur) [<in>]
    when is {x} first (heard|audible|noticed) [<in>]
    when (do|can) (you|we) first hear {x} [<in>]
    when (is|was) {x} heard for the first time [<in>]
    (what|which) is the (start|onset|start time|onset time|starting time|starting point|beginning) of {x} [<in>]
    what is the (onset|start time|beginning) [time] of {x} in seconds [<in>]
    <give> the (start|onset|start time|onset time|starting point|beginning) of {x} [in seconds] [<in>]
    <tell> when {x} (starts|begins|sets in|is first heard|comes in) [<in>]
    <tell> at (what|which) (time|second) {x} (starts|begins|is first heard) [<in>]
    (start|onset|start time|onset time|beginning|begin) of {x} [in seconds] [<in>]
    {x} (starts|begins|sets in) (when|at what time|at which second) [<in>]
    {x} : (start|onset|start time|when does it start|when does it begin)
    how (many seconds|long|far|many seconds in) into <rec> does {x} (start|begin|set in|first occur)
    after how many seconds (does|did) {x} (start|begin|set in|come) [<in>]
    how (many seconds pass|long is it|much time passes|long does it take) (before|until) {x} (starts|begins|is heard) [<in>]
    from (when|what time|what time on|which second on) (is {x} heard|can {x} be heard|do you hear {x}) [<in>]
    (find|locate|determine|measure|mark) the (onset|start|beginning) of {x} [<in>]
    when's the (start|onset|beginning) of {x}
    what time does {x} (start|begin)
    since when is {x} (heard|audible)
    (exactly when|when exactly) does {x} (start|begin)
    when (does|did) {x} (kick in|become audible|first become audible|first come|come on|turn up|occur for the first time) [<in>]
    (at what|at which) (instant|moment|timestamp|time stamp|mark|offset|position) (does|did|is) {x} (start|begin|heard first|kick in|appear) [<in>]
    how (soon|early|late) (does|is) {x} (start|begin|heard|come) [<in>]
    (what|which) is the (timestamp|time stamp|first moment|first second|exact start|onset in seconds|time of onset|starting second) of {x} [<in>]
    (in|at) (what|which) second (does|did|is) {x} (start|begin|come|first heard) [<in>]
    <give> the (timestamp|time|second|moment) (when|at which|where) {x} (starts|begins|sets in|is first heard) [<in>]
    (indicate|estimate|report|specify|note) (when|the time when|the second at which) {x} (starts|begins|is first heard) [<in>]
    {x} (is first heard|first occurs|starts|begins|sets in) at (what|which) (time|second|moment)
    where (does|did) {x} (start|begin) [<in>]
    (starting|beginning) (when|at what time|at which second) is {x} heard
    how much time (passes|goes by|elapses) before {x} [starts|begins] [<in>]
    when (do|does|did) (I|one|you) first (notice|hear|perceive) {x} [<in>]
""",
    """
    Right when does {x} kick off?
    How soon can one make out {x}?
    Pinpoint the moment {x} becomes audible.
    When would I first notice {x}?
    {x} gets going at which second?
    How late into it does {x} turn up?
    Where on the time axis does {x} get started?
    The earliest moment of {x}, in seconds?
    {x} enters at...?
    By which second has {x} begun?
    When is the first trace of {x}?
    On the clock, when did {x} get under way?
    Time of entry of {x}?
    What is the time at which {x} begins to be heard?
    How many seconds from the beginning does {x} start?
    Please say at what second we first hear {x}.
    When exactly do you hear {x} begin?
    At how many seconds does {x} set in?
""",
)

OFFSET = phrases(
    """
    when (does|did) {x} (end|stop|finish|cease|fade out|come to an end|die away) [<in>]
    (at what|at which) (time|second|moment|point|point in time) (does|did) {x} (end|stop|finish|cease) [<in>]
    when is {x} last (heard|audible|noticed) [<in>]
    when (is|was) {x} (over|no longer heard|finished|gone) [<in>]
    (what|which) is the (end|offset|end time|ending time|offset time|end point) of {x} [<in>]
    <give> the (end|offset|end time|offset time|end point) of {x} [in seconds] [<in>]
    <tell> when {x} (ends|stops|finishes|is over|ceases) [<in>]
    <tell> at (what|which) (time|second) {x} (ends|stops|is over) [<in>]
    (end|offset|end time|offset time|stop) of {x} [in seconds] [<in>]
    {x} (ends|stops|finishes) (when|at what time|at which second) [<in>]
    {x} : (end|offset|end time|when does it end|when does it stop)
    after how many seconds (does|did) {x} (end|stop|finish) [<in>]
    until (when|what time|which second) (is {x} heard|can {x} be heard|do you hear {x}|does {x} last|does {x} go on) [<in>]
    how (many seconds|long|far) into <rec> does {x} (end|stop|finish)
    (find|locate|determine|measure|mark) the (offset|end) of {x} [<in>]
    what time does {x} (end|stop)
    till when (is {x} heard|does {x} last)
    (exactly when|when exactly) does {x} (end|stop)
    when's the end of {x}
    when (does|did) {x} (die down|fall silent|go silent|become inaudible|go quiet|get over) [<in>]
    (at what|at which) (instant|moment|timestamp|mark|position) (does|did) {x} (end|stop) [<in>]
    (what|which) is the (timestamp|last moment|last second|exact end|offset in seconds|time of offset|final second) of {x} [<in>]
    (in|at) (what|which) second (does|did) {x} (end|stop) [<in>]
    <give> the (timestamp|time|second|moment) (when|at which|where) {x} (ends|stops|is over) [<in>]
    (indicate|estimate|report|specify|note) (when|the time when|the second at which) {x} (ends|stops|is over) [<in>]
    {x} (is over|ends|stops) at (what|which) (time|second|moment)
    where (does|did) {x} (end|stop) [<in>]
    when (do|does|did) (I|one|you) last (notice|hear) {x} [<in>]
""",
    """
    At what instant does {x} fall silent?
    From which second on is {x} not to be heard any more?
    Pinpoint the moment {x} dies down.
    {x} goes quiet at which second?
    Up to what point can one make out {x}?
    The latest moment of {x}, in seconds?
    By which second is {x} done?
    When is the final trace of {x}?
    Where on the time axis is {x} through?
    How late does {x} persist?
    Time at which {x} is gone?
    When did {x} come to rest?
    What is the time at which {x} has ended?
    Please say at what second we last hear {x}.
    When exactly do you hear {x} stop?
""",
)

SPAN = phrases(
    """
    when (is|was) {x} (heard|audible|present|to be heard) [<in>]
    when (does|did) {x} (happen|occur|sound|take place|appear) [<in>]
    when (do|can|did) (you|we|one) hear {x} [<in>]
    from when (to|until|till) when (is {x} heard|does {x} last|do you hear {x}|can {x} be heard) [<in>]
    (between|in) which (times|seconds) (is {x} heard|does {x} occur|do you hear {x}) [<in>]
    when does {x} (start and end|begin and end|start and stop|begin and stop|start and when does it end) [<in>]
    <give> the (start and end|start and end times|onset and offset|time span|span|interval|times|time range|time interval) of {x} [<in>]
    what (are the start and end|are the start and end times|are the onset and offset|is the time span|is the interval|is the time range) of {x} [<in>]
    <tell> when {x} (is heard|happens|occurs|can be heard|starts and ends) [<in>]
    <tell> from when to when {x} is heard [<in>]
    (locate|find|mark|localize|localise) {x} [in time] [<in>]
    (time span|span|interval|times|time range|start and end) of {x} [<in>]
    {x} : (when|from when to when|start and end|time span|times)
    {x} (is heard|happens|occurs) when [<in>]
    at what (times|time) is {x} heard [<in>]
    during (which|what) (time|seconds|interval|part) (is {x} heard|do you hear {x}|does {x} occur) [<in>]
    where [in time] (is|does one hear) {x} [<in>]
    (which|what) (part|segment|section|stretch|interval|time range) of <rec> (has|contains|holds) {x}
    (which|what) (part|segment|section) (is|holds) {x} [<in>]
    (what|which) are the (timestamps|time stamps|times|boundaries|start and end seconds|begin and end) of {x} [<in>]
    <give> the (timestamps|boundaries|start and end second|beginning and end|time window) of {x} [<in>]
    (indicate|specify|state|report|mark|determine) (when|the time when|the interval in which|from when to when) {x} (is heard|occurs) [<in>]
    at (what|which) (point|points|moment|moments) (is|was) {x} (heard|to be heard) [<in>]
    in (which|what) (time window|interval|stretch|time range|seconds) (is|does one hear|do you hear) {x} [heard]
    {x} (is heard|lasts|occurs) from when to when [<in>]
    (timestamps|time window|when) of {x}
""",
    """
    On which stretch of the recording would I find {x}?
    Bracket {x} in time.
    State the boundaries of {x}, in seconds.
    Which bit of the clip is {x}?
    What time window does {x} occupy?
    Timestamps for {x}?
    {x} runs from which second up to which?
    Cut out {x}: which seconds must be kept?
    Where would you place {x} on the time axis?
    Both edges of {x}, in seconds?
    The extent of {x} in time?
    {x} - give me its timestamps.
    From which second to which second does {x} sound?
    At what time in the recording can {x} be heard?
    What's the start and what's the end of {x}?
    Please give both the start time and the end time for {x}.
""",
)

DURATION = phrases(
    """
    how long (does|did) {x} (last|go on|take|continue|sound) [<in>]
    how long (is|was) {x} [heard|audible|present] [<in>]
    for how long (is {x} heard|does {x} last|can {x} be heard|do you hear {x}|does {x} go on) [<in>]
    how many seconds (does {x} last|is {x} heard|does {x} take|does {x} go on|long is {x}) [<in>]
    what is the (duration|length) of {x} [in seconds] [<in>]
    <give> the (duration|length) of {x} [in seconds] [<in>]
    <tell> how long {x} (lasts|is heard|is|goes on) [<in>]
    (duration|length) of {x} [in seconds] [<in>]
    {x} : (duration|how long|length|how many seconds)
    {x} lasts how (long|many seconds) [<in>]
    (measure|estimate|determine|state) the (duration|length) of {x} [<in>]
    how much time does {x} (take|take up|last) [<in>]
    (over|during) how many seconds is {x} heard [<in>]
    what's the (duration|length) of {x}
    (what|which) (time|span|amount of time) does {x} (last|take|fill|take up) [<in>]
    how (extended|lengthy|long) is {x} [<in>]
    (over|for) (what|which) (time|period|stretch|length of time) (is {x} heard|does {x} last) [<in>]
    (tell|say|give|estimate|report|state) (how long|for how long|how many seconds) {x} (lasts|is heard|goes on|is audible) [<in>]
    what is the (total|overall|whole) (duration|length) of {x} [<in>]
    {x} is heard for how (long|many seconds) [<in>]
    from start to end , how long (is {x}|does {x} last)
""",
    """
    What stretch of time does {x} fill?
    From its start to its end, {x} spans how much time?
    How extended in time is {x}?
    How much of the recording, in seconds, is taken up by {x}?
    Time taken by {x}?
    Would you time {x} for me? How long is it?
    {x} keeps on for what amount of time?
    Clock {x}: how many seconds in all?
    Is {x} long or short? Say how many seconds.
    How brief is {x}, in seconds?
    Seconds of {x}?
    {x} continues over what span of seconds?
    How many seconds of {x} are there in the recording?
    What is the length in time of the {x} we hear?
    For what time do you hear {x}?
""",
)

AT_TIME = phrases(
    """
    what (is heard|can be heard|do you hear|is audible|is going on|happens|is happening|sounds|is there|is playing) (at|around|about) {t} [<in>]
    (which|what) (sound|sounds|noise) (is heard|can be heard|do you hear|is audible|occurs|is present|is playing) (at|around|about) {t} [<in>]
    what (is|was) (at|around) {t} [<in>]
    (at|around) {t} , (what|which sound) (is heard|do you hear|can be heard|is audible|happens) [<in>]
    <tell> what (is heard|you hear|can be heard|happens|is audible) (at|around) {t} [<in>]
    <name> the (sound|sounds) (at|around|heard at) {t} [<in>]
    (sound|sounds|event) (at|around) {t}
    (at|around) {t} (what|which sound)
    what does one hear (at|around) {t} [<in>]
    {t} : (what is heard|which sound|what do you hear|what)
    what did (you|we) hear at {t} [<in>]
    what's (audible|heard|there|playing) at {t} [<in>]
    when the (clock|time) (is|is at|reads|shows) {t} , (what is heard|what do you hear|which sound is heard)
    which event is (active|going on|under way) at {t} [<in>]
    (jump|go|skip) to {t} : what (is heard|do you hear)
    what (occurs|sounds|takes place|goes on|plays|was heard|can I hear|do I hear|is on) (at|around|at about|at time) {t} [<in>]
    (identify|report|state|describe|tell me) (what is heard|what you hear|the sound heard|the sound|what happens) (at|around|at the time) {t} [<in>]
    (at the moment|at the mark|at the time|at time|at position|at timestamp) {t} , (what|which sound) (is heard|do you hear|is audible) [<in>]
    which sound (falls on|covers|is active at|spans|is on at|is under way at) {t} [<in>]
    (what|which sound) (would|could|might) (I|one|you) hear at {t} [<in>]
    (look|listen) at {t} : what (is there|is heard|sounds)
    if I (listen|jump|go|skip) to {t} , what do I hear
    (which|what) sounds (are|were) (on|active|heard|playing|there) at {t} [<in>]
""",
    """
    If I jump to {t}, what will reach my ears?
    Stop the playback at {t}: what is sounding?
    At the {t} mark, which noise is on?
    What occupies the moment {t}?
    {t} - who or what makes itself heard?
    Seek to {t}. Which sound is this?
    What would one notice with the needle at {t}?
    Which noise is under way as {t} passes?
    Just at {t}: what goes on?
    Take the instant {t}. What sounds?
    What is active at the time {t}?
    Snapshot at {t}: sound?
    Which sound do we have at {t}?
    At {t} in the audio, what could you hear?
    What was happening when the time was {t}?
""",
)


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
