"""Labels that may be true of each other's sounds.

When one is heard, the other can neither be claimed nor denied: a sink full of plates holds dishes, cutlery and water,
whatever single word its recording was filed under. Questions never ask about such a pair.
Labels of one data set whose authors told them apart (two drums, a blender and a juicer) are not listed.
"""

import functools

VOICES = (
    "speech", "spoken order", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass",
    "anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness",
)  # fmt: skip
"""Labels whose recordings are somebody speaking."""

GROUPS: tuple[tuple[str, ...], ...] = (
    ("dishes", "plates", "cutlery", "clean dishes", "dishwasher"),
    ("water", "water flowing", "clean dishes", "boiling water", "dishwasher", "drip", "rain"),
    ("frying pan", "stove burner", "boiling water", "hiss", "rain", "static", "white noise"),
    ("door slam", "door opening", "cupboard", "drawer", "fridge", "microwave"),
    ("knock", "door slam", "cupboard", "drawer", "chopping"),
    ("paper", "book", "zipper"),
    ("breathing", "yawn", "wind"),
    ("breathing", "coughing", "sneeze"),
    ("sweep", "sawing", "peel"),
    ("chopping", "cutlery", "plates"),
    ("eat", "peel", "breathing"),
    ("electric shaver", "blender", "juicer", "stove fan", "engine"),
    ("hair dryer", "stove fan", "blender", "juicer", "white noise", "wind", "engine"),
    ("dishwasher", "microwave", "fridge", "stove fan", "rumble", "engine", "helicopter"),
    ("white noise", "hiss", "static", "rain", "wind", "water flowing", "water"),
    ("rumble", "thunderstorm", "explosion", "wind", "helicopter", "engine"),
    ("thunderstorm", "rain"),
    ("tone", "beep", "alarm", "morse code", "telephone ring", "sonar ping"),
    ("beep", "tone", "microwave", "morse code", "telephone ring", "alarm"),
    ("rising chirp", "falling chirp", "siren", "whistle", "bird chirp"),
    ("siren", "alarm", "telephone ring"),
    ("bell", "chime", "telephone ring", "sonar ping", "plates", "keys jingling", "cutlery"),
    ("buzzer", "foghorn", "car horn", "electric shaver", "organ chord"),
    ("click", "knock", "ticking clock", "keyboard typing", "drip"),
    ("knock", "footsteps", "heartbeat", "bouncing ball", "bass drum"),
    ("drum roll", "snare drum"),
    ("drum roll", "hand clapping", "rain"),
    ("plucked string", "acoustic guitar", "double bass", "cello", "violin or fiddle"),
    ("organ chord", "foghorn", "tone"),
    ("whistle", "flute", "bird chirp"),
    ("crickets", "bird chirp"),
    ("glass breaking", "plates", "dishes"),
    ("hiss", "hi hat"),
    ("keys jingling", "cutlery"),
    ("speech", "song", "singing"),
    ("woman crying", "baby crying"),
    ("woman screaming", "baby crying"),
    ("dog", "dog howling"),
    ("jazz music", "saxophone", "double bass", "bass drum", "hi hat", "snare drum", "trumpet", "song"),
    ("string orchestra music", "violin or fiddle", "cello", "double bass", "flute", "clarinet"),
    ("waltz music", "acoustic guitar", "flute", "clarinet", "violin or fiddle", "cello", "organ chord"),
    ("song", "singing", "acoustic guitar", "bass drum", "snare drum", "hi hat", "double bass"),
    ("jazz music", "ragtime piano music", "waltz music", "string orchestra music", "song"),
)

BACKGROUND_LIKE = frozenset(
    ("white noise", "hiss", "static", "rain", "wind", "rumble", "water", "water flowing", "stove fan", "hair dryer",
     "fridge", "microwave", "dishwasher", "frying pan", "boiling water", "engine", "breathing", "sweep")
)  # fmt: skip
"""Labels that steady background noise may pass for; with such a background they are not denied."""


@functools.lru_cache(maxsize=4096)
def confusable(label: str) -> frozenset[str]:
    """The labels that can neither be claimed nor denied when ``label`` is heard; never ``label`` itself.

    The relation is symmetrical but not transitive. Speech under any voice is speech, so "speech" is in doubt
    under every spoken word, and any spoken word is in doubt under "speech" and "spoken order".
    """
    found = {other for group in GROUPS if label in group for other in group}
    if label in VOICES:
        found |= {"speech", "spoken order"}
    if label in ("speech", "spoken order"):
        found |= set(VOICES)
    return frozenset(found - {label})
