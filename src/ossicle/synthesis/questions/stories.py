"""The whole recording: as a sentence, as a timeline."""

# ruff: noqa: E501 - one template, one line

from random import Random

from ossicle.chat.timeline import Heard, write_timeline
from ossicle.synthesis.questions.counting import times
from ossicle.synthesis.questions.facts import APART_S, FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrase_of, phrases

CAPTION = phrases(
    """
    (describe|caption|summarise|summarize) (<rec>|the sounds|what you hear|what is heard|what can be heard|the scene|what happens)
    (describe|caption|summarise|summarize) <rec> (in one sentence|in a sentence|in words|briefly|in short|in a few words)
    (write|give|give me|provide|produce|make) (a|one|a short|a brief) (caption|description|summary) [(of|for) <rec>|for the scene]
    (can you|could you|please|would you) (describe|caption|summarise|summarize) (<rec>|what you hear|the sounds|the scene)
    (caption|description|short caption|audio caption) [(for|of) <rec>|please]
    what is a (good|fitting|short) (caption|description) [for <rec>]
    how would you (describe|caption|summarise|summarize) (<rec>|the scene|what you hear|the sounds)
    (in one sentence|in a sentence|in words|briefly) , (describe <rec>|describe what you hear|what is heard|what happens) [here]
    (tell|tell me|say) what (happens|is going on|is to be heard|one hears) [<in>]
    what (is going on|happens|takes place|can be heard|is to be heard) (overall|in <rec> as a whole|all in all|from beginning to end)
    (describe|tell me about|report) everything (you hear|that is heard|audible) [<in>]
    what (do you hear|is heard) ? describe it [in one sentence|briefly]
    what are all the things you hear [<in>]
    (which|what) sounds (are|can be) (heard|noticed|made out) [<in>]
    (which|what) sounds (do you hear|are there|occur|are present|are in it) [<in>]
    (list|name) (all the|the|all) (sounds|noises) [you hear|that are heard|<in>]
    what does the scene (sound like|contain|consist of)
    (explain|report|outline|tell me) (what is heard|what can be heard|what happens|what you hear|the content of <rec>) [<in>]
    (what|which) (sound events|events|noises|sources) (are|can be|were) (heard|recorded|captured|audible) [<in>]
    (what|how much) (is|was) (recorded|captured|there to hear|there to be heard) [<in>]
    (describe|outline) (in words|in a phrase|in one line|in a short sentence) what (is heard|can be heard|you hear|happens) [<in>]
    (what|which) (are|were) the sounds [<in>]
    (give|write|provide) (an account|a short account|a sentence|one sentence|one line) (of|about) (what you hear|what is heard|<rec>|the sounds)
    what is the (content|scene|situation) [of <rec>|<in>]
    what is <rec> (about|of)
    (write|give) an audio caption [for <rec>]
""",
    """
    Put into words what the microphone recorded.
    Paint me a picture of this in one line.
    If you had to title this recording, what would you write?
    Explain to a deaf person what there is to hear.
    Tell the story of this clip.
    Sum up the soundscape.
    Narrate the audio.
    Sketch the acoustic scene in a line.
    What's all this racket?
    What story does the audio tell?
    Write alt text for this sound.
    Relate what goes on in the sound file.
    A description of what there is to hear, please.
    Describe all of the sounds that this recording has.
    In a short sentence, what can I hear?
    Write a line about what is heard in the clip.
    Which sounds does this audio consist of?
""",
)

TIMELINE = phrases(
    """
    (list|give|give me|write|write down|show|report|name) (all|all the|the|every one of the) (sounds|events|sound events|noises) with (their times|start and end times|their start and end|times|timestamps|time stamps|onsets and offsets|start and end in seconds) [<in>]
    (what|which) (sounds|events|noises) (are heard|occur|do you hear|can be heard|are there) , [and] (when|from when to when|at what times|with times) [<in>]
    what is heard (when|and when|from when to when|at which times) [<in>]
    what happens (when|and when|at what times) [<in>]
    (make|write|give|give me|produce|output|provide|create) (a|the) (timeline|time line|schedule|list of events with times|timetable|log) [of <rec>|of the sounds|of the events]
    (timeline|time line|sound events with times|events with times|events and times|event list) [of <rec>]
    (detect|find|locate|mark|annotate|segment|label) (all|all the|the|every) (sounds|sound events|events) (with their times|in time|with start and end|with timestamps) [<in>]
    (annotate|segment|timestamp) <rec>
    <give> the (start and end|times|start and end times|timestamps) of (every|each) (sound|event|sound event|noise) [<in>]
    <give> the timeline [of <rec>|of the sounds|of events]
    for (each|every) (sound|event|noise) , (say|tell me|give|write|state) (when it starts and ends|its times|its start and end|from when to when it is heard) [<in>]
    when is (what|which sound|each sound|every sound) heard [<in>]
    when (do|does) (the sounds|each of the sounds|the events|each event) (start and end|begin and end|occur|happen) [<in>]
    from when to when (is each sound heard|is what heard|do the sounds last) [<in>]
    (when does each sound start and end|what are the times of all sounds|what is the timeline) [<in>]
    (event|sound event) detection [with times|: list the events]
    list [all] (events|sound events|sounds) as (start to end and label|start , end , label|start and end followed by the label)
    (list|write|give) (from when to when each sound is heard|when each sound starts and stops|what is heard when)
    (list|report|give|write|output) (every|each) (sound|event|sound event|noise) (with|and|together with) (its start and end|its times|its start and end time|when it is heard|its onset and offset|its timestamps) [<in>]
    (what|which) (sounds|events|noises) (are|were) (heard|there) , (from when to when|with start and end times|with timestamps|in seconds|and between which times) [<in>]
    (list|give|write) the (sounds|events|sound events) (and their times|and when they occur|and their start and end times|with the times at which they occur|and when they are heard) [<in>]
    (perform|do|run) (sound event detection|event detection) [on <rec>]
    (tag|index|chart|map|log|tabulate) the (sounds|events) (in time|with times|by time|with their timestamps|over time) [<in>]
    (what|tell me what|say what) is heard at (which time|which times|what time|what times) [<in>]
    (what are|give me|list) the (onsets and offsets|onset and offset times|start times and end times) of (all|the) (sounds|events|sound events) [<in>]
    (describe|show) (the timeline|over time what is heard|what is heard over time) [of <rec>]
    (write|give) [me] (the|all) events (one by one|in order) with (times|start and end|timestamps) [<in>]
    what happens at which time [<in>]
""",
    """
    Tabulate the audio: from-to and name of each noise.
    Log every event together with its timestamps.
    Chart the sounds along the time axis.
    Give me a minute-by-minute protocol of what sounds.
    Who sounds when? Include seconds.
    Mark up the recording with labelled intervals.
    Break the clip down into timed segments.
    Write subtitles for the sounds, with times.
    Provide beginning and end for everything audible.
    Make a cue sheet for this audio.
    Index the audio by time.
    Which intervals are occupied by which sounds?
    Full list of timed events?
    Say which sounds there are and the start and end of each.
    Write every sound event together with when it starts and when it ends.
    Which sounds do you hear, and at what time does each start and stop?
    Please list what can be heard along with the times.
""",
)


def caption_of(facts: Facts) -> str:
    """``The sound of bell 2 times, then knock over it, then dog together with rain``.

    Sounds that start within APART_S are together; "over it" where what comes before still sounds;
    repeats in a row are counted.
    """
    groups: list[list[FactEvent]] = []
    for event in facts.ordered:
        if groups and event.start_s - groups[-1][0].start_s < APART_S:
            groups[-1].append(event)
        else:
            groups.append([event])
    parts: list[str] = []
    last: tuple[str, ...] = ()
    repeats, until_s, over = 0, 0.0, False
    for group in groups:
        names = tuple(sorted(phrase_of(e.label, e.kind) for e in group))
        if names == last:
            repeats += 1
        else:
            over = group[0].start_s < until_s - APART_S
            repeats = 1
            parts.append("")
        suffix = f" {times(repeats)}" if repeats > 1 else ""
        parts[-1] = " together with ".join(names) + suffix + (" over it" if over else "")
        last, until_s = names, max(until_s, *(e.end_s for e in group))
    return "The sound of " + ", then ".join(parts)


@family(
    "caption",
    weight=1.5,
    phrases={"caption": CAPTION},
    ready=lambda f: f.only_a_voice or (f.all_nameable and len(f.events) < 9),
)
def caption(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``The sound of bell, then knock over it.``"""
    text = caption_of(facts)
    return Question("caption", say("caption"), f"{text}.", ("speech",) if facts.only_a_voice else tuple(facts.by_label))


@family("timeline", weight=1.6, phrases={"timeline": TIMELINE}, ready=lambda f: len(f.events) < 9)
def timeline(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``0.5s to 1.7s dog; 2.0s to 3.1s glass breaking``; a voice without known words is ``speech``."""
    text = write_timeline(
        Heard("speech" if event.kind == "emotion" else event.label, event.start_s, event.end_s)
        for event in facts.events
    )
    return Question("timeline", say("timeline"), text, (text,))
