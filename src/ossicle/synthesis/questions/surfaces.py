"""How questions mention a sound: the label itself, another name for it, or a clause (``the dog barks``).

Only questions use these; answers always hold the label.
"""

from random import Random
from typing import NamedTuple

from ossicle.synthesis.questions.family import Say
from ossicle.synthesis.questions.phrasing import named

SYNONYM_RATE = 0.10
CLAUSE_RATE = 0.16

SYNONYMS: dict[str, tuple[str, ...]] = {
    "baby crying": ("a crying baby", "the cry of a baby", "an infant crying", "baby cries"),
    "breathing": ("breath", "someone breathing", "heavy breathing"),
    "coughing": ("a cough", "someone coughing", "coughs"),
    "dishes": ("clattering dishes", "dishes clattering"),
    "door slam": ("a slamming door", "a door being slammed", "a door slamming", "the slam of a door"),
    "door opening": ("a door being opened", "an opening door", "the opening of a door"),
    "electric shaver": ("an electric razor", "a shaver", "shaving"),
    "woman screaming": ("a screaming woman", "a woman's scream", "the scream of a woman"),
    "man screaming": ("a screaming man", "a man's scream", "the scream of a man"),
    "woman crying": ("a crying woman", "a woman weeping"),
    "glass breaking": ("breaking glass", "shattering glass", "glass being broken"),
    "hand clapping": ("clapping", "clapping hands", "someone clapping", "claps"),
    "keyboard typing": ("typing", "typing on a keyboard", "a keyboard", "keystrokes"),
    "keys jingling": ("jingling keys", "keys", "the jingle of keys", "a bunch of keys"),
    "laughter": ("laughing", "someone laughing", "a laugh"),
    "paper": ("rustling paper", "paper rustling"),
    "sneeze": ("sneezing", "someone sneezing", "a person sneezing"),
    "speech": ("someone speaking", "talking", "a voice speaking", "a person talking"),
    "yawn": ("yawning", "someone yawning"),
    "hair dryer": ("a hairdryer", "a blow dryer", "the hairdryer"),
    "water flowing": ("flowing water", "running water"),
    "boiling water": ("water boiling", "bubbling water"),
    "chopping": ("someone chopping", "cutting on a board", "a chopping knife"),
    "eat": ("eating", "someone eating"),
    "peel": ("peeling", "someone peeling"),
    "sweep": ("sweeping", "a broom", "someone sweeping"),
    "fridge": ("a refrigerator", "the refrigerator"),
    "book": ("pages of a book", "a book being handled"),
    "drawer": ("a drawer being moved",),
    "cupboard": ("a cupboard door",),
    "frying pan": ("frying", "sizzling in a pan", "a sizzling pan"),
    "microwave": ("a microwave oven",),
    "dishwasher": ("a dishwashing machine",),
    "dog": ("a dog barking", "barking", "a barking dog", "dog barks"),
    "dog howling": ("a howling dog", "the howl of a dog"),
    "car horn": ("a honking car", "honking", "the horn of a car"),
    "thunderstorm": ("thunder", "a thunder storm"),
    "hi hat": ("a hi-hat", "the hi-hat"),
    "bird chirp": ("a chirping bird", "a bird"),
    "frog croak": ("a croaking frog", "a frog"),
    "telephone ring": ("a ringing telephone", "a phone ringing", "the phone"),
    "ticking clock": ("a clock ticking", "the ticking of a clock"),
    "bell": ("a ringing bell", "a bell ringing"),
    "knock": ("knocking", "someone knocking"),
    "footsteps": ("steps", "someone walking"),
    "heartbeat": ("a beating heart", "heart beats"),
    "whistle": ("whistling",),
    "drip": ("dripping", "dripping water"),
    "siren": ("a wailing siren",),
    "helicopter": ("a flying helicopter",),
    "engine": ("a running engine", "a motor"),
    "explosion": ("a blast", "something exploding"),
    "sawing": ("a saw", "someone sawing"),
    "bouncing ball": ("a ball bouncing", "the bouncing of a ball"),
    "drum roll": ("a roll on a drum",),
    "plucked string": ("a string being plucked",),
    "spoken order": ("an order", "someone ordering", "a spoken order"),
}


class Clause(NamedTuple):
    """Someone or something, and what it does."""

    subject: str
    base: str
    third: str
    gerund: str
    past: str
    plural: bool = False

    def slots(self) -> dict[str, str]:
        """What a clause template needs."""
        verb = self.base if self.plural else self.third
        return {
            "s": self.subject,
            "base": self.base,
            "verb": verb,
            "ing": self.gerund,
            "past": self.past,
            "do": "do" if self.plural else "does",
            "be": "are" if self.plural else "is",
            "was": "were" if self.plural else "was",
            "start": "start" if self.plural else "starts",
        }


def _regular(subject: str, base: str, *, plural: bool = False) -> Clause:
    sibilant = base.endswith(("s", "sh", "ch", "x", "z"))
    stem = base[:-1] if base.endswith("e") else base
    return Clause(subject, base, base + ("es" if sibilant else "s"), stem + "ing", stem + "ed", plural)


CLAUSES: dict[str, Clause] = {
    "baby crying": Clause("the baby", "cry", "cries", "crying", "cried"),
    "woman crying": Clause("the woman", "cry", "cries", "crying", "cried"),
    "breathing": _regular("someone", "breathe"),
    "coughing": _regular("someone", "cough"),
    "laughter": _regular("someone", "laugh"),
    "sneeze": _regular("someone", "sneeze"),
    "yawn": _regular("someone", "yawn"),
    "hand clapping": Clause("someone", "clap", "claps", "clapping", "clapped"),
    "man screaming": _regular("the man", "scream"),
    "woman screaming": _regular("the woman", "scream"),
    "keyboard typing": _regular("someone", "type"),
    "keys jingling": _regular("the keys", "jingle", plural=True),
    "glass breaking": Clause("the glass", "break", "breaks", "breaking", "broke"),
    "door slam": Clause("the door", "slam", "slams", "slamming", "slammed"),
    "door opening": _regular("the door", "open"),
    "water flowing": _regular("the water", "flow"),
    "boiling water": _regular("the water", "boil"),
    "chopping": Clause("someone", "chop", "chops", "chopping", "chopped"),
    "sweep": Clause("someone", "sweep", "sweeps", "sweeping", "swept"),
    "eat": Clause("someone", "eat", "eats", "eating", "ate"),
    "peel": _regular("someone", "peel"),
    "speech": _regular("someone", "talk"),
    "dog": _regular("the dog", "bark"),
    "dog howling": _regular("the dog", "howl"),
    "knock": _regular("someone", "knock"),
    "bell": Clause("the bell", "ring", "rings", "ringing", "rang"),
    "telephone ring": Clause("the telephone", "ring", "rings", "ringing", "rang"),
    "whistle": _regular("someone", "whistle"),
    "bird chirp": _regular("the bird", "chirp"),
    "crickets": _regular("the crickets", "chirp", plural=True),
    "frog croak": _regular("the frog", "croak"),
    "ticking clock": _regular("the clock", "tick"),
    "siren": _regular("the siren", "wail"),
    "helicopter": Clause("the helicopter", "fly", "flies", "flying", "flew"),
    "wind": Clause("the wind", "blow", "blows", "blowing", "blew"),
    "sawing": _regular("someone", "saw"),
    "bouncing ball": _regular("the ball", "bounce"),
    "car horn": _regular("the car", "honk"),
}
_SPEAKERS = ("the speaker", "someone", "the voice", "a voice", "a person", "the person", "somebody")


def clause_of(label: str, kind: str, rng: Random) -> Clause | None:
    """The clause that says that ``label`` is heard, where there is a natural one."""
    if kind in ("digit", "keyword"):
        return Clause(rng.choice(_SPEAKERS), f"say {label}", f"says {label}", f"saying {label}", f"said {label}")
    if kind == "instrument":
        return _regular(f"the {label}", "play")
    found = CLAUSES.get(label)
    if found is None:
        return None
    if found.subject == "someone":
        return found._replace(subject=rng.choice(("someone", "someone", "somebody", "a person", "anyone")))
    if found.subject.startswith("the ") and not found.plural and rng.random() < 0.3:
        noun = found.subject[4:]
        return found if noun in ("water", "wind", "glass") else found._replace(subject=f"a {noun}")
    return found


def mention(say: Say, variant: str, label: str, kind: str, rng: Random) -> str:
    """A question of ``variant`` about ``label``; at times as a clause, at times under another name."""
    if (
        f"{variant}_clause" in say.phrases
        and rng.random() < CLAUSE_RATE
        and (clause := clause_of(label, kind, rng)) is not None
    ):
        return say(f"{variant}_clause", **clause.slots())
    names = SYNONYMS.get(label)
    return say(variant, x=rng.choice(names) if names and rng.random() < SYNONYM_RATE else named(label, kind, rng))
