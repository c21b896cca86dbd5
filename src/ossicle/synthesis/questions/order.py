"""What comes first, last, before, after, and all of it in order."""

# ruff: noqa: E501 - one template, one line

from itertools import combinations
from random import Random

from ossicle.synthesis.questions.clauses import AFTER_CLAUSE, BEFORE_CLAUSE
from ossicle.synthesis.questions.facts import APART_S, FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import named_alike, phrases
from ossicle.synthesis.questions.surfaces import mention

FIRST = phrases(
    """
    (what|which sound|which noise|what sound|which event) <happen> first [<in>]
    (what|which sound|which noise) (is|was) [the] first [<in>]
    what is the (first|earliest|initial|opening|very first) <thing> [<in>]
    what do (you|we) <hear> first [<in>]
    which (sound|noise|event) (do you hear|is heard|can be heard|occurs) (first|earliest|at the beginning|at the start|to begin with|to start with|first of all|initially) [<in>]
    (what|which sound) (is heard|do you hear|happens|occurs) (at the beginning|at the start|to begin with|to start with|in the beginning|initially|at first|earliest) [<in>]
    (what|which sound|which noise) (begins|starts|opens|starts off) <rec>
    <rec> (begins|starts|opens) with (what|which sound|which noise)
    with (what|which) sound does <rec> (begin|start|open)
    what does <rec> (begin|start|open) with
    <name> the (first|earliest|initial|opening|very first) <thing> [<in>]
    <tell> (what|which sound) (comes first|happens first|is first|is heard first|you hear first|is the first) [<in>]
    [the] (first|earliest|opening|initial) (sound|noise|event) [<in>]
    (what|which) (comes|happens|sounds) before (everything else|all the others|all other sounds|any other sound)
    what's [the] first [sound|thing you hear|noise|event] [<in>]
    which of the sounds (is|comes|happens|occurs) (first|earliest) [<in>]
    which (sound|noise|event) has the earliest (onset|start) [<in>]
    which (sound|noise) (starts|begins) (first|earliest|before the others) [<in>]
    of all the sounds , which (is|comes|starts) (first|earliest) [<in>]
    in the beginning , (what|which sound) (is heard|do you hear)
    (initially|at first|at the start|to begin with) , (what|which sound) (is heard|do you hear|can be heard) [<in>]
    what sound came (first|before the rest) [<in>]
    (first|at first|at the beginning|beginning) , what [is it]
    what (kicks in|sets in|kicks off|leads|goes) first [<in>]
    (which|what) sound (leads|goes ahead of|comes ahead of) (all others|the others|the rest) [<in>]
    what (is|was) the first thing (that happens|that is heard|that you hear|to be heard|one hears|heard|recorded) [<in>]
    (identify|detect|determine|report|state) (the first|the earliest|the initial|the opening) (sound|event|noise|sound event) [<in>]
    (which|what) (event|sound event|sound|noise) (occurs|happened|occurred|was heard|was) (first|earliest) [<in>]
    (chronologically|in time|in order of time) , (what|which sound) is (first|the first|earliest) [<in>]
    (which|what) (sound|noise) (precedes|is before) (all the others|all others|everything else|the rest) [<in>]
    (the first|the earliest) of the (sounds|events|noises) is (what|which [one])
    number one in the (order|sequence) of sounds
    what (do I|does one) hear (first|at the very beginning|right at the start|at the outset|in the first moment) [<in>]
    what (is|was) (there|heard) at the (beginning|start|outset|opening) [of <rec>]
""",
    """
    What kicks things off?
    Which noise leads the sequence?
    Name whatever sounds before all else.
    What greets the ear at the outset?
    Of everything heard, what had the earliest onset?
    The clip opens on which noise?
    What do the opening moments hold?
    Who or what is number one in the sequence of sounds?
    Pick out the sound that arrives ahead of all others.
    What is sound number 1?
    Which one came ahead of the rest?
    From the top: what is sounding?
    When playback begins, what do I notice right away?
    Which of the sounds in this recording is the first to be heard?
    What sound is it that starts the audio off?
    At the very start, which sound do we have?
    Say which sound happens before any of the others.
    What was the first event that was recorded?
""",
)

LAST = phrases(
    """
    (what|which sound|which noise|what sound|which event) <happen> last [<in>]
    (what|which sound|which noise) (is|was) [the] last [<in>]
    what is the (last|final|latest|closing|very last) <thing> [<in>]
    what do (you|we) <hear> last [<in>]
    which (sound|noise|event) (do you hear|is heard|can be heard|occurs|starts|begins) (last|at the end|in the end|latest|finally|last of all) [<in>]
    (what|which sound) (is heard|do you hear|happens|occurs) (at the end|in the end|finally|at last|toward the end|latest) [<in>]
    (what|which sound|which noise) (ends|closes|finishes|concludes) <rec>
    <rec> (ends|closes|finishes|concludes) with (what|which sound|which noise)
    with (what|which) sound does <rec> (end|close|finish|conclude)
    what does <rec> (end|close|finish|conclude) with
    <name> the (last|final|latest|closing|very last) <thing> [<in>]
    <tell> (what|which sound) (comes last|happens last|is last|is heard last|you hear last|is the last) [<in>]
    [the] (last|final|closing|latest) (sound|noise|event) [<in>]
    (what|which) (comes|happens|sounds) after (everything else|all the others|all other sounds|any other sound)
    what's [the] last [sound|thing you hear|noise|event] [<in>]
    which of the sounds (is|comes|happens|occurs) (last|latest) [<in>]
    which (sound|noise|event) has the latest (onset|start) [<in>]
    which (sound|noise) (starts|begins) (last|latest|after the others) [<in>]
    of all the sounds , which (is|comes|starts) (last|latest) [<in>]
    (finally|at the end|in the end|lastly) , (what|which sound) (is heard|do you hear|can be heard) [<in>]
    what sound came (last|after the rest) [<in>]
    (last|at last|at the end|finally) , what [is it]
    what (kicks in|sets in|comes in) last [<in>]
    what (is|was) the last thing (that happens|that is heard|that you hear|to be heard|one hears|heard|recorded) [<in>]
    (identify|detect|determine|report|state) (the last|the final|the latest|the closing) (sound|event|noise|sound event) [<in>]
    (which|what) (event|sound event|sound|noise) (occurs|happened|occurred|was heard|was) (last|latest|at the end) [<in>]
    (chronologically|in time|in order of time) , (what|which sound) is (last|the last|latest) [<in>]
    (which|what) (sound|noise) (follows|is after|comes after) (all the others|all others|everything else|the rest) [<in>]
    (the last|the final) of the (sounds|events|noises) is (what|which [one])
    what (do I|does one) hear (last|at the very end|right at the end|in the last moment) [<in>]
    what (is|was) (there|heard) at the (end|very end|close) [of <rec>]
""",
    """
    What rounds things off?
    Which noise is at the tail end of the sequence?
    Name whatever sounds after all else.
    What brings it to a close?
    Of everything heard, what had the latest onset?
    The clip finishes on which noise?
    What do the closing moments hold?
    Pick out the sound that arrives behind all others.
    Which one turned up once all the rest had started?
    What is the final thing to be noticed?
    Before it is over, what new sound comes along?
    Which sound is the last to show up?
    Which of the sounds in this recording is the last to be heard?
    What sound is it that ends the audio?
    At the very end, which sound do we have?
    What was the last event that was recorded?
""",
)

BEFORE = phrases(
    """
    what (happens|comes|occurs|is heard|do you hear|can be heard|sounds) [right|just|immediately|directly] before {x} [<in>]
    (which|what) (sound|noise|event) (happens|comes|occurs|is heard|do you hear|is|can be heard) [right|just|immediately|directly] before {x} [<in>]
    what (precedes|preceded) {x} [<in>]
    (which|what) (sound|noise|event) (precedes|preceded) {x} [<in>]
    what is {x} preceded by [<in>]
    what is the (sound|noise|event) [right|just|immediately] before {x} [<in>]
    <name> the (sound|noise|event) [right|just|immediately] (before|preceding) {x} [<in>]
    <tell> (what|which sound) (comes|happens|is heard|occurs|you hear) [just|right] before {x} [<in>]
    (sound|noise|event) before {x}
    [right|just|immediately] before {x} , (what|which sound) (is heard|do you hear|happens|comes|can be heard) [<in>]
    before {x} (is heard|starts|begins|comes|happens) , (what|which sound) (is heard|do you hear|happens|was there)
    {x} (comes after|follows|is after|happens after|is heard after) (what|which sound|which noise) [<in>]
    after (what|which sound) (does {x} come|is {x} heard|do you hear {x}) [<in>]
    what (was|is) [heard] [just|right] before {x} [<in>]
    what did (you|we) hear [just|right] before {x} [<in>]
    before {x} , what
    what's [the sound|heard] [right|just] before {x} [<in>]
    is there (a sound|something|anything) before {x} , and what is it
    (which|what) [sound] (leads|led) (to|up to) {x} [<in>]
    (prior|previous) to {x} , (what|which sound) (is heard|do you hear|happens|occurs|was heard) [<in>]
    (what|which sound) (is heard|happens|occurs|comes|is) (prior to|previous to|ahead of|preceding|immediately preceding) {x} [<in>]
    (identify|determine|report|state|find) (what|the sound that|the event that) (precedes|comes before|happens before) {x} [<in>]
    what (sound|event|noise) (was|is) (recorded|heard|there) [just|right|immediately] before {x} [<in>]
    what (occurred|happened|sounded|came|was audible) [just|right|immediately] before {x} [<in>]
    {x} (is|was) (preceded|led up to) by (what|which sound) [<in>]
    the (sound|event|noise) (before|preceding|prior to) {x} is (what|which)
    (which|what) (is|was) the (previous|preceding) (sound|event) , before {x}
    if (I|you) go back from {x} , (what|which sound) (comes|is heard) [first]
""",
    """
    What do we come across on the way to {x}?
    {x} is heralded by which noise?
    Going one step back from {x}, what is there?
    What had sounded by the time {x} set in?
    Which event runs ahead of {x}?
    Prior to {x}, what reaches the ear?
    What is the predecessor of {x}?
    Ahead of {x} there is which sound?
    Just as {x} is about to come, what have we heard?
    {x}: and the one before that?
    Previous sound relative to {x}?
    What is in the sequence ahead of {x}?
    What is the sound that we hear immediately before {x}?
    Which sound event precedes that of {x}?
    When {x} comes, what has been heard right before it?
    Say what sound is previous to {x}.
""",
)

AFTER = phrases(
    """
    what (happens|comes|occurs|is heard|do you hear|can be heard|sounds) [right|just|immediately|directly] after {x} [<in>]
    (which|what) (sound|noise|event) (happens|comes|occurs|is heard|do you hear|is|can be heard) [right|just|immediately|directly] after {x} [<in>]
    what (follows|followed) {x} [<in>]
    (which|what) (sound|noise|event) (follows|followed|succeeds) {x} [<in>]
    what is {x} followed by [<in>]
    what comes next after {x} [<in>]
    (what|which sound) (comes|is|happens) next , after {x}
    what is the (sound|noise|event|next sound) [right|just|immediately] after {x} [<in>]
    <name> the (sound|noise|event) [right|just|immediately] (after|following) {x} [<in>]
    <tell> (what|which sound) (comes|happens|is heard|occurs|you hear) [just|right] after {x} [<in>]
    (sound|noise|event) after {x}
    [right|just|immediately] after {x} , (what|which sound) (is heard|do you hear|happens|comes|can be heard) [<in>]
    after {x} (is heard|starts|begins|comes|happens) , (what|which sound) (is heard|do you hear|happens|comes)
    {x} (comes before|precedes|is before|happens before|is heard before) (what|which sound|which noise) [<in>]
    before (what|which sound) (does {x} come|is {x} heard|do you hear {x}) [<in>]
    what (was|is) [heard] [just|right] after {x} [<in>]
    what did (you|we) hear [just|right] after {x} [<in>]
    after {x} , what
    (once|when) {x} has (started|begun|come|been heard) , what (comes|follows|happens|is heard) (next|then)
    {x} , (and then|then) what
    what's [the sound|heard] [right|just] after {x} [<in>]
    is there (a sound|something|anything) after {x} , and what is it
    (which|what) [sound] does {x} lead to [<in>]
    (subsequent to|following|next to follow) {x} , (what|which sound) (is heard|do you hear|happens|occurs|was heard) [<in>]
    (what|which sound) (is heard|happens|occurs|comes|is) (following|subsequent to|immediately following|behind) {x} [<in>]
    (identify|determine|report|state|find) (what|the sound that|the event that) (follows|comes after|happens after) {x} [<in>]
    what (sound|event|noise) (was|is) (recorded|heard|there) [just|right|immediately] after {x} [<in>]
    what (occurred|happened|sounded|came|was audible) [just|right|immediately] after {x} [<in>]
    {x} (is|was) (followed|succeeded) by (what|which sound) [<in>]
    the (sound|event|noise) (after|following|next after) {x} is (what|which)
    (which|what) (is|was) the (next|following|subsequent) (sound|event) , after {x}
    if (I|you) go on from {x} , (what|which sound) (comes|is heard) next
    (as soon as|when) {x} is (over|past|done) , (what|which sound) (comes|is heard|follows) [next]
""",
    """
    What does {x} lead up to?
    On the heels of {x} comes which noise?
    Going one step on from {x}, what is there?
    Which sound sets in once {x} has sounded?
    Subsequent to {x}, what reaches the ear?
    What is the successor of {x}?
    Behind {x} there is which sound?
    {x}: and the one that comes next?
    Next sound relative to {x}?
    What ensues when {x} has been heard?
    What is in the sequence behind {x}?
    Then, following {x}, which event?
    What is the sound that we hear immediately after {x}?
    Which sound event follows that of {x}?
    When {x} has come, what is heard right after it?
    Say what sound is next once we had {x}.
""",
)

ORDER = phrases(
    """
    in (what|which) order (do|did) the (sounds|noises|events|sound events) (occur|happen|appear|come|start|sound) [<in>]
    in (what|which) (order|sequence) (are|were) the (sounds|noises|events) (heard|played|to be heard) [<in>]
    what is the (order|sequence|succession|temporal order|chronological order) of [the] (sounds|noises|events|sound events) [<in>]
    (list|name|give|write|write down|state|tell me|enumerate|put down) [all] the (sounds|noises|events|sound events) in (order|sequence|the order they occur|the order in which they occur|the order they are heard|order of appearance|chronological order|temporal order|order of time|the right order) [<in>]
    (put|sort|arrange|order) the (sounds|noises|events) (in order|by time|by their start|in order of time|chronologically|in sequence|from first to last|as they occur) [<in>]
    <give> the (order|sequence|succession) of [the] (sounds|noises|events|sound events) [<in>]
    <tell> (the order|the sequence|in what order the sounds come|in which order the sounds are heard) [of the sounds] [<in>]
    (order|sequence|succession) of [the] (sounds|noises|events) [<in>]
    (which|what) (sounds|noises|events) (are heard|do you hear|occur|come|can be heard) , (in order|in sequence|from first to last|one after another|in which order) [<in>]
    what (happens|is heard|comes) (first , next and so on|one after another|step by step|from beginning to end|from start to finish|in sequence) [<in>]
    what are the (sounds|noises|events) , in order [<in>]
    from first to last , (which sounds are heard|what do you hear|what are the sounds|list the sounds) [<in>]
    what comes first , what (next|then) , [and] what last [<in>]
    (chronologically|in order|in sequence) , (what do you hear|what is heard|which sounds occur|list the sounds) [<in>]
    (identify|report|describe|determine|recount|tell me) the (order|sequence|succession) (of events|of the sounds|of what is heard|in which the sounds occur) [<in>]
    how (do|are) the (sounds|events|noises) (follow one another|ordered|follow each other|arranged in time|sequenced) [<in>]
    which (sound|event) (is|comes) first , which (is|comes) (second|next) , and so on
    (sort|order|list|name) what (you hear|is heard) (by time|from earliest to latest|from first to last|by onset|in order of onset) [<in>]
    (tell me|say|list|write) (one after another|one by one|step by step|in turn) (what is heard|what you hear|the sounds) [<in>]
    (list|name) the (sounds|events|noises) (as they occur|one after the other|as they are heard|in their order|in the correct order|by their onset) [<in>]
    what (was|is) the (correct|right|temporal|exact) (order|sequence) of (events|sounds) [<in>]
    (what|which sounds) (are|were) heard (first , second|first , then) , and so on
""",
    """
    Walk me through it, one sound at a time.
    How do the noises succeed one another?
    From start to finish, name each event in turn.
    Rank what you hear from earliest to latest.
    Which noise is first, which second, and so forth?
    What came when? Only the sequence, without times.
    Line the sounds up as they were played.
    Recount the succession of noises, earliest to last.
    Reconstruct the sequence of events.
    Chronological listing of what sounds?
    One by one, as they arrive: which sounds?
    What is the running order?
    Give me the sounds of this clip in the order in which they happen.
    What sequence of sounds does the audio have?
    Which sounds come one after the other, from the first to the last?
    Please order the sounds by when they begin.
""",
)

WHICH_FIRST = phrases(
    """
    (which|what) (came|comes|is|was|happens|happened|occurs|starts|started|begins|sounds|is heard|do you hear) first [<in>] , {x} or {y}
    which (sound|noise|event) (came|comes|is|was|happens|occurs|starts|begins|is heard) (first|earlier) [<in>] , {x} or {y}
    which of the two (came|comes|is|was|happens|starts|begins|is heard) (first|earlier) , {x} or {y}
    which (one|of these) (came|comes|is|happens|starts|begins|is heard) (first|earlier|before the other) [<in>] : {x} or {y}
    which (is|was|comes|occurs|happens|starts) (earlier|the earlier one|before the other) [<in>] , {x} or {y}
    (is|was) {x} or {y} [heard] first [<in>]
    (does|did) {x} or {y} (come|happen|occur|start|begin|sound) first [<in>]
    (do|did|can) you hear {x} or {y} first [<in>]
    (what|which) (comes|is|was|happens) first : {x} or {y}
    {x} or {y} : (which|what) (comes|is|was|happens|came|starts) first
    {x} or {y} , (which|what) (comes|is|was|happens|came|starts|is heard) first [<in>]
    {x} or {y} first
    first : {x} or {y}
    between {x} and {y} , which (comes|is|happens|starts|came) (first|earlier) [<in>]
    of {x} and {y} , which (comes|is|happens|starts|came) (first|earlier) [<in>]
    <tell> (what|which) (comes|is|happens|came|starts|is heard) first [<in>] , {x} or {y}
    (name|pick|choose) the (earlier|first) (one|of the two|sound) : {x} or {y}
    (does|did) {x} (come|happen|occur|start) before {y} or [does|did] {y} before {x}
    is {x} before {y} or {y} before {x}
    which has the earlier (start|onset) , {x} or {y}
    (is it|was it) {x} or {y} that (comes|came|is heard|starts) first [<in>]
    which one (starts|begins|is heard|came) (earlier|first) [<in>] , {x} or {y}
    what (is heard|do you hear|did you hear) first [<in>] , {x} or {y}
    which precedes the other , {x} or {y}
    (which|what) do you (hear|notice) (earlier|sooner) , {x} or {y}
    (which|what) (comes|starts|happens|occurs) (sooner|before) , {x} or {y}
    (which|what) (occurred|appears|appeared|began|kicks in|sets in|sounded|was heard) first [<in>] , {x} or {y}
    which of (these|the following|these two|the two sounds|these sounds|these events) (came|comes|is|was|happens|happened|occurs|occurred|starts|is heard|appears) (first|earlier) [<in>] : {x} or {y}
    which of the (sounds|events|two events) (is|comes|happens|occurs|starts) (first|earlier) , {x} or {y}
    (did|does) {x} or {y} (occur|happen|come|start|appear) (first|earlier|before the other) [<in>]
    (does|did) {x} (precede|come before|come after|follow) {y} or is it the other way around : which is first
    (chronologically|in time|in order of time) , (what|which) (is|comes|was) (first|earlier) : {x} or {y}
    who (came|comes|was|is) first , {x} or {y}
    (listen for|consider|take) {x} and {y} : which (comes|is|was|happens|starts) (first|earlier)
    there are {x} and {y} : which (comes|is|was|happens|starts) (first|earlier)
    both {x} and {y} are heard : which (comes|is|was|starts) (first|earlier)
    (decide|determine|identify|say|state|find out) which (comes|came|is|happens|starts|occurs) (first|earlier) : {x} or {y}
    which is (the first|first|the earlier) of the two , {x} or {y}
    (earlier|first|earliest) (sound|one|event) , {x} or {y}
    (which|what) (is heard|is|comes) (ahead of|prior to) the other , {x} or {y}
    (which|what) leads [<in>] , {x} or {y}
""",
    """
    Who gets in ahead of the other, {x} or {y}?
    Is it {x} that leads, or {y}?
    Out of {x} and {y}, what do we hear at the earlier moment?
    Which of them has the head start: {x} or {y}?
    {x} versus {y}: who was there sooner?
    Does {x} precede {y}, or is it the other way around? Name the earlier.
    Had {x} or {y} already sounded when the other set in?
    Pick whichever arrives ahead of the other: {x} or {y}.
    Tell which is nearer to the start, {x} or {y}.
    {x}, {y} - name the one in front.
    Whose onset is earlier: {x} or {y}?
    Timewise, what leads: {x} or {y}?
    In the order of things, is {x} ahead or is {y}?
    Which of the two sounds did you hear first: {x} or {y}?
    Did we first hear {x} or {y}?
    In this clip, what do I hear earlier, {x} or {y}?
    Was {x} the first of the two, or was {y}?
    Say what happened earlier: {x} or {y}?
    Which one occurs first in time - {x} or {y}?
""",
)


def first_event(facts: Facts) -> FactEvent | None:
    """The event that clearly comes first, if its label is clear."""
    rows = facts.ordered
    if not rows or rows[0].label not in facts.nameable:
        return None
    rival = next((event for event in rows if event.label != rows[0].label), None)
    return rows[0] if rival is None or rival.start_s - rows[0].start_s >= APART_S else None


def last_event(facts: Facts) -> FactEvent | None:
    """The event that clearly starts last, and doesn't end before another does."""
    rows = facts.ordered
    if not rows or rows[-1].label not in facts.nameable:
        return None
    rivals = [event for event in rows if event.label != rows[-1].label]
    clear = all(rows[-1].start_s - e.start_s >= APART_S and rows[-1].end_s >= e.end_s for e in rivals)
    return rows[-1] if clear else None


@family(
    "first", weight=1.2, phrases={"first": FIRST}, ready=lambda f: len(f.by_label) > 1 and first_event(f) is not None
)
def first(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``First comes dog howling.``"""
    label = first_event(facts).label
    return Question("first", say("first"), f"First comes {label}.", (label,))


@family("last", weight=1.0, phrases={"last": LAST}, ready=lambda f: len(f.by_label) > 1 and last_event(f) is not None)
def last(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Last comes dog howling.``"""
    label = last_event(facts).label
    return Question("last", say("last"), f"Last comes {label}.", (label,))


def neighbour(facts: Facts, label: str, step: int) -> tuple[FactEvent | None, bool]:
    """(the event next to the only ``label``, or None where there is none; whether that is unambiguous)."""
    rows = facts.ordered
    at = rows.index(facts.unique[label])
    if any(abs(e.start_s - rows[at].start_s) < APART_S for e in rows if e is not rows[at]):
        return None, False
    if not 0 <= at + step < len(rows):
        return None, True
    near = rows[at + step]
    beyond = rows[at + 2 * step] if 0 <= at + 2 * step < len(rows) else None
    clear = beyond is None or beyond.label == near.label or abs(beyond.start_s - near.start_s) >= APART_S
    return near, clear and near.label in facts.nameable


def _beside(facts: Facts, rng: Random, step: int) -> tuple[str, FactEvent | None] | None:
    """A label and its neighbour; the first and last sound, which have none, are asked less often."""
    labels = list(facts.unique)
    rng.shuffle(labels)
    lonely = None
    for label in labels:
        event, clear = neighbour(facts, label, step)
        if clear and event is not None:
            if lonely is None or rng.random() < 0.75:
                return label, event
        elif clear:
            lonely = label, None
    return lonely


@family(
    "before",
    weight=1.0,
    phrases={"before": BEFORE, "before_clause": BEFORE_CLAUSE},
    ready=lambda f: len(f.events) > 1 and bool(f.unique),
)
def before(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Before it comes glass breaking.`` or ``Nothing comes before it.``"""
    found = _beside(facts, rng, -1)
    if found is None:
        return None
    label, event = found
    answer = f"Before it comes {event.label}." if event else "Nothing comes before it."
    return Question(
        "before",
        mention(say, "before", label, facts.kind_of(label), rng),
        answer,
        (event.label if event else "nothing",),
        keep=(label,),
    )


@family(
    "after",
    weight=1.0,
    phrases={"after": AFTER, "after_clause": AFTER_CLAUSE},
    ready=lambda f: len(f.events) > 1 and bool(f.unique),
)
def after(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``After it comes glass breaking.`` or ``Nothing comes after it.``"""
    found = _beside(facts, rng, 1)
    if found is None:
        return None
    label, event = found
    answer = f"After it comes {event.label}." if event else "Nothing comes after it."
    return Question(
        "after",
        mention(say, "after", label, facts.kind_of(label), rng),
        answer,
        (event.label if event else "nothing",),
        keep=(label,),
    )


@family(
    "order",
    weight=1.0,
    phrases={"order": ORDER},
    ready=lambda f: len(f.by_label) > 1 and len(f.events) < 7 and f.all_nameable and f.in_order,
)
def order(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``First bell, then knock, then dog.``"""
    sequence = ", then ".join(event.label for event in facts.ordered)
    return Question("order", say("order"), f"First {sequence}.", (sequence,))


def apart_pairs(facts: Facts) -> list[tuple[str, str]]:
    """Pairs of labels that each occur once and whose onsets can be put in order."""
    return [
        (a, b)
        for a, b in combinations(facts.unique, 2)
        if abs(facts.unique[a].start_s - facts.unique[b].start_s) >= APART_S
    ]


@family(
    "which_first",
    weight=2.0,
    phrases={"which_first": WHICH_FIRST},
    ready=lambda f: len(f.unique) > 1 and bool(apart_pairs(f)),
)
def which_first(facts: Facts, rng: Random, say: Say) -> Question | None:
    """The earlier of two labels, as it stands."""
    pair = list(rng.choice(apart_pairs(facts)))
    rng.shuffle(pair)
    x, y = named_alike(pair, [facts.kind_of(one) for one in pair], rng)
    winner = min(pair, key=lambda one: facts.unique[one].start_s)
    return Question("which_first", say("which_first", x=x, y=y), f"{winner}.", (winner,), tuple(pair), keep=tuple(pair))
