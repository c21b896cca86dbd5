"""What is said, and how."""

# ruff: noqa: E501 - one template, one line

from random import Random

from ossicle.synthesis.questions.facts import FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrases

SLOTS = ("size", "roast", "numberOfShots", "coffeeDrink", "milkAmount", "sugarAmount")
"""The order in which a coffee order is written down."""

DIGIT = phrases(
    """
    (which|what) (digit|number|numeral|figure) (is|was|do you hear|is being|did you hear) (spoken|said|heard|uttered|pronounced|named) [<in>]
    (which|what) (digit|number|numeral) (is it|is this|do you hear|can be heard|can you hear) [<in>]
    (which|what) (digit|number) does the (speaker|voice|person|man|woman) (say|speak|utter|name|pronounce) [<in>]
    (which|what) (digit|number) (did|does) (someone|he|she|the speaker) say [<in>]
    what is the (spoken|uttered) (digit|number|numeral) [<in>]
    what is the (digit|number) (spoken|said|that is said|you hear|that is spoken) [<in>]
    <name> the (digit|number|spoken digit|spoken number|uttered digit|numeral) [<in>]
    <tell> (which|what) (digit|number) (is spoken|is said|you hear|is heard|the speaker says) [<in>]
    [spoken] (digit|number) [<in>]
    (someone|a person|a voice|the speaker) says a (digit|number) : which [one]
    (a|one) (digit|number) is (spoken|said) : which [one|is it]
    the (speaker|voice) says (which|what) (digit|number)
    (recognise|recognize|write|write down|output|transcribe|type) the (digit|number|spoken digit|spoken number)
    from zero to nine , which (digit|number) is (spoken|said|it)
    what's the (digit|number) [<in>]
    (digit|number) (spoken|said|heard) [<in>]
    (which|what) (digit|number) (has been|was|is) (recorded|read|read out|read aloud|announced|voiced|called out) [<in>]
    (which|what) (digit|number) (is being|is) (said|spoken|pronounced|uttered|read out) [by the speaker] [<in>]
    (which|what) (digit|number) can be (heard|made out|recognised) [<in>]
    (guess|predict|detect|determine|classify|give|tell me) the (digit|number|spoken digit|digit that is spoken|number that is said)
    (which|what) of the (ten digits|digits|numbers from zero to nine|digits from 0 to 9) is (it|spoken|said|heard)
    what (digit|number) is the (speaker|person|voice) (saying|speaking|reading|reading out)
    (someone|somebody|a person) (says|reads|utters|pronounces) (one|a) (digit|number|figure) , (what|which one) is it
    (which|what) (single|one) (digit|number) (is|was) (spoken|said)
    the (spoken|uttered) (digit|number) is (what|which)
    what number (is it|does it say|was that)
""",
    """
    What numeral leaves the speaker's mouth?
    0 to 9: what did they say?
    Someone reads out a single figure. Which?
    What number did you catch?
    Which of the ten digits is pronounced here?
    What number has just been said?
    The person in this clip utters one digit; what is it?
    Which key would you press after hearing this digit?
    What value between 0 and 9 is being read aloud?
    Which cipher is voiced?
    Note down the numeral that the voice reads.
    A single digit is read out. Type it.
    What's the number that the person is saying?
    Please say which digit has been spoken.
    Which digit between zero and nine could you hear?
    What number would you say has been spoken there?
""",
)

KEYWORD = phrases(
    """
    (which|what) (keyword|wake word|command word|hotword|trigger word) (is|was|do you hear|did you hear) (spoken|said|heard|uttered|used) [<in>]
    (which|what) (keyword|wake word|hotword) (is it|is this|do you hear|can be heard|occurs) [<in>]
    (which|what) (keyword|wake word|hotword) does the (speaker|voice|person) (say|speak|utter|use) [<in>]
    what is the (keyword|wake word|hotword|spoken keyword|trigger word) [<in>]
    <name> the (keyword|wake word|hotword|spoken keyword|wake phrase|trigger word) [<in>]
    <tell> (which|what) (keyword|wake word|hotword) (is spoken|is said|you hear|is heard) [<in>]
    [spoken] (keyword|wake word|hotword|wake phrase|keyword spoken) [<in>]
    (someone|a person|a voice|the speaker) says a (keyword|wake word) : which [one]
    which (assistant|device|wake word) is (called|addressed|named|spoken to) [<in>]
    (who|what) is (being called|called|addressed) [<in>]
    (what|which) (name|assistant) does the speaker (call|say|address) [<in>]
    (recognise|recognize|write|write down|output|type) the (keyword|wake word|hotword)
    what's the (keyword|wake word|hotword) [<in>]
    with (which|what) (keyword|wake word) is the device (woken|addressed|called)
    (which|what) (keyword|wake word|hotword|activation word|wake-up word|voice command) (has been|was|is|is being) (recorded|spoken|said|called|called out|used|pronounced) [<in>]
    (which|what) (keyword|wake word|hotword) can be (heard|made out|recognised|detected) [<in>]
    (guess|predict|detect|determine|classify|give|tell me|spot) the (keyword|wake word|hotword|activation word|keyword that is spoken)
    (which|what) (activation|wake-up|wake up|wake|trigger) (word|phrase) (is it|is heard|is spoken|is said|do you hear) [<in>]
    what (keyword|wake word) is the (speaker|person|voice) (saying|speaking|using)
    (someone|somebody|a person) (says|utters|pronounces|calls out) (one|a) (keyword|wake word) , (what|which one) is it
    the (spoken|uttered) (keyword|wake word) is (what|which)
    (which|what) (key word|key phrase|keyphrase|command) (is|was) (spoken|said|uttered) [<in>]
""",
    """
    Which wake-up phrase would this trigger?
    What does the person call out to wake the machine?
    Which device would react to this?
    Say which wake-up command you could hear.
    What activation word was captured?
    To which assistant is somebody talking?
    A trigger phrase is uttered; what is it?
    What phrase would start the voice assistant here?
    Which of the known wake-up words did they pronounce?
    Which hot word rings out?
    The keyword that was pronounced is...?
    Detect the activation phrase.
    What's the wake word that the person is saying?
    Please say which keyword has been spoken.
    Which of the keywords could you hear?
    What is the speaker's wake word?
""",
)

TRANSCRIBE = phrases(
    """
    (transcribe|transcribe please|write down|write out|note down|type out|put in writing) (<rec>|the speech|what is said|what you hear|the words|the spoken words|what the speaker says|everything that is said)
    what (is|was) (said|spoken|being said|uttered) [<in>]
    (what|which) words (are|were) (spoken|said|heard|uttered|to be heard) [<in>]
    (what|which) (word or words|words) (are|can be) heard [<in>]
    what (does|did) (the speaker|the person|the voice|someone|he|she|the man|the woman|the customer) say [<in>]
    what (do|does|did) (they|the people) say [<in>]
    what words (do|can|did) you (hear|make out|understand) [<in>]
    what do you hear (said|being said|spoken) [<in>]
    <give> (a transcript|the transcript|a transcription|the transcription|the words|the spoken words|the text) [of <rec>|of the speech]
    <tell> what (is said|the speaker says|was said|words are spoken|the person says) [<in>]
    (transcript|transcription|spoken words|words|words spoken|speech to text) [of <rec>]
    (convert|turn) (the speech|<rec>|what is said) (into|to) text
    (repeat|write) (what is said|what the speaker says|the words)
    what is the (transcript|transcription) [of <rec>|of the speech]
    what's (said|being said|the transcript|spoken) [<in>]
    the speaker says what
    say what (is said|the speaker says|was said)
    (which|what) (word|words) (does|did) (the speaker|the person|someone|the voice) (say|speak|use|utter) [<in>]
    (what|which) (is|was) the (spoken word|spoken text|utterance|wording|content of the speech|spoken content) [<in>]
    (give|write|provide|output|show|produce) (what is said|what was said|the speech as text|the speech in text form|the exact words|all words spoken|the text that is spoken) [<in>]
    what (is|was) the (speaker|person|voice|customer) (saying|talking about|telling)
    what did (someone|somebody|the speaker|the person|they) (just say|say|speak|tell) [<in>]
    (take down|record in writing|note|jot down|dictate back) (what is said|the words|the speech)
    (make|do|perform) (a transcription|a transcript|speech recognition|speech to text) [of <rec>]
    (recognise|recognize|understand) the (speech|words|spoken words)
    (which|what) words (is|was|are|were) (the speaker|he|she|they) saying
    (say|repeat) (after|what) the speaker [says]
    what can be (understood|heard in words) [<in>]
""",
    """
    Take dictation, please.
    Put the spoken content on paper.
    What came out of the speaker's mouth?
    What did I just hear them say?
    Jot down the utterance.
    Render the speech as text.
    Which words did you catch?
    Spell out in writing all that was uttered.
    What is the person telling us?
    Quote the speaker.
    How does the wording go?
    Can you understand the talker? What are the words?
    Text of what was said?
    Write the words that the speaker uses.
    Which are the words that this person said?
    What has been said in the audio file?
    Please give me all of the speech as written text.
""",
)

EMOTION = phrases(
    """
    (which|what) (emotion|feeling|mood) (is|was) (expressed|heard|conveyed|shown|present|in the voice|displayed) [<in>]
    (which|what) (emotion|feeling|mood) does the (speaker|voice|person) (express|have|convey|show|feel|sound like) [<in>]
    (which|what) (emotion|feeling|mood) (do you hear|is it|is this|can be heard|do you notice) [<in>]
    how does the (speaker|person|voice|man or woman|talker) (feel|sound) [<in>]
    how (is|was) the (speaker|person|talker) feeling [<in>]
    how does (he|she) (feel|sound)
    what is the (emotion|mood|feeling|emotional state|emotional tone|state of mind) of the (speaker|voice|person|speech) [<in>]
    what is the speaker's (emotion|mood|feeling|emotional state|tone|state of mind) [<in>]
    <name> the (emotion|speaker's emotion|mood|speaker's mood|feeling|emotion of the speaker|emotion in the voice|emotional tone) [<in>]
    <tell> (which|what) (emotion|mood|feeling) (is expressed|you hear|the speaker has|the speaker expresses) [<in>]
    <tell> how the (speaker|person) (feels|sounds) [<in>]
    (classify|recognise|recognize|label|judge|detect) the (emotion|mood|speaker's emotion|feeling|emotion of the voice)
    [speech|speaker's|voice] (emotion|mood) [<in>]
    (in what|what) (mood|emotional state|state of mind) is the (speaker|person) [<in>]
    with (which|what) (emotion|feeling) (does the speaker talk|is this said|is it spoken|does the person speak) [<in>]
    in (which|what) (tone|tone of voice|mood) (is this said|does the speaker talk|is it spoken|does the person speak) [<in>]
    what's the (emotion|mood|feeling|speaker's mood|speaker's emotion) [<in>]
    what (tone|tone of voice) does the speaker (have|use) [<in>]
    what does the (speaker|person) feel [<in>]
    (which|what) (emotion|feeling|mood|sentiment) (can you|do you|did you) (hear|detect|recognise|recognize|notice|sense) [in the voice|in the speech|<in>]
    (guess|predict|detect|determine|identify|state|describe|assess) the (emotion|mood|sentiment|speaker's emotional state|emotion of the speaker|feeling in the voice) [<in>]
    (which|what) (emotional state|state of mind|temper|frame of mind|sentiment|emotional tone) (is expressed|is it|does the speaker have|is heard|does the voice have) [<in>]
    how (would you describe|do you judge|do you rate) the (speaker's mood|speaker's emotion|mood|emotion|emotion of the speaker|tone of voice)
    (judging by|going by|from) the (voice|tone|tone of voice) , (how does the speaker feel|what does the speaker feel|which emotion is it)
    (which|what) emotion (comes through|is carried by the voice|is in the speech|is there|describes the speaker|fits the voice) [<in>]
    how (emotional|angry , happy or sad) (is|does) the speaker [sound] [<in>]
    how does the (speech|voice|utterance|sentence|person speaking|man|woman) sound emotionally
    how does it sound emotionally
    what is the (affect|sentiment|emotional content|speaker's state) [<in>]
    what (does|do) the speaker seem to (feel|be feeling) [<in>]
    (the speaker|the person) is (feeling|in) (what|which mood|which emotion)
    (what|which) (is the emotion|emotion is it) that the (speaker|voice|person) (expresses|shows|conveys|has)
""",
    """
    Read the room: what is the talker going through?
    Which affect is carried by the voice?
    What sentiment lies in the voice?
    Is there a particular feeling in the way this is spoken? Which?
    Judging by the tone, what state is the person in?
    How would you describe the talker's temper?
    What's up with the speaker emotionally?
    Guess the feeling behind the words.
    What is this person's frame of mind?
    By the sound of the voice, what is felt?
    Tone of voice?
    What does the delivery tell about the speaker's state?
    How do they come across emotionally?
    What emotion would you say the speaker has?
    How is this person feeling while they speak?
    Which feeling does the speaker's voice have?
    Say what the mood of the person speaking is.
""",
)

SLOT_PHRASES = {
    "coffeeDrink": phrases(
        """
        (which|what) (drink|beverage|coffee|coffee drink) (is|was) (ordered|asked for|wanted|requested) [<in>]
        (which|what) (drink|beverage|coffee|coffee drink) does the (customer|speaker|person) (order|want|ask for|request) [<in>]
        what does the (customer|speaker|person) (order|want to drink|ask for)
        <name> the (drink|beverage|ordered drink|coffee drink) [<in>]
        <tell> (which|what) (drink|coffee) is (ordered|wanted) [<in>]
        (drink|coffee drink|ordered drink|beverage) [ordered]
    """,
        """
        What would they like to have in the cup?
        Which coffee are they after?
        The barista should make which beverage?
        Name the beverage requested by the talker.
    """,
    ),
    "size": phrases(
        """
        (which|what) size (is|was) (ordered|asked for|wanted|requested|the drink|the order) [<in>]
        (which|what) size does the (customer|speaker|person) (order|want|ask for|request) [<in>]
        (how big|how large) (is the drink|should the drink be|is the order) [<in>]
        <name> the size [of the drink|of the order] [<in>]
        <tell> (which|what) size is (ordered|wanted) [<in>]
        [drink] size [of the drink|ordered]
    """,
        """
        How big a cup do they ask for?
        Which cup size is needed?
        What volume of drink is requested?
    """,
    ),
    "roast": phrases(
        """
        (which|what) roast (is|was) (ordered|asked for|wanted|requested) [<in>]
        (which|what) roast does the (customer|speaker|person) (order|want|ask for|request) [<in>]
        (which|what) (kind|type) of roast (is ordered|is wanted|is it) [<in>]
        <name> the roast [of the coffee] [<in>]
        <tell> (which|what) roast is (ordered|wanted) [<in>]
        [coffee] roast [ordered]
    """,
        """
        How should the beans be roasted?
        Which roasting do they go for?
        Light, medium or dark roast, or not said?
    """,
    ),
    "numberOfShots": phrases(
        """
        how many shots (are|were) (ordered|asked for|wanted|requested) [<in>]
        how many shots [of espresso] does the (customer|speaker|person) (order|want|ask for|request) [<in>]
        what number of shots is (ordered|wanted) [<in>]
        <give> the number of shots [<in>]
        <tell> how many shots are (ordered|wanted) [<in>]
        (shots|number of shots|espresso shots) [ordered]
    """,
        """
        What quantity of espresso shots goes in?
        Single shot, double, or how many?
        How strong: how many shots do they name?
    """,
    ),
    "milkAmount": phrases(
        """
        (which|what|how much|what kind of) milk (is|was) (ordered|asked for|wanted|requested) [<in>]
        (which|what|how much|what kind of) milk does the (customer|speaker|person) (order|want|ask for|request) [<in>]
        what (is|was) said about milk [<in>]
        <name> the milk [in the order|ordered] [<in>]
        <tell> (which|what|how much) milk is (ordered|wanted) [<in>]
        milk [ordered|in the order]
        what about [the] milk
    """,
        """
        Does any milk go in, and of what sort?
        How do they take their milk?
        What is asked for in the way of milk?
    """,
    ),
    "sugarAmount": phrases(
        """
        (which|what|how much|what kind of) sugar (is|was) (ordered|asked for|wanted|requested) [<in>]
        (which|what|how much|what kind of) sugar does the (customer|speaker|person) (order|want|ask for|request) [<in>]
        what (is|was) said about sugar [<in>]
        <name> the sugar [in the order|ordered] [<in>]
        <tell> (which|what|how much) sugar is (ordered|wanted) [<in>]
        sugar [ordered|in the order]
        what about [the] (sugar|sweetener)
        how is it sweetened
    """,
        """
        How sweet do they take it?
        Does any sugar go in, and of what sort?
        What is asked for in the way of sweetening?
    """,
    ),
}


def sentence(text: str) -> str:
    """``seven`` -> ``Seven.``"""
    return text[:1].upper() + text[1:] + "."


def only(facts: Facts, kind: str) -> FactEvent | None:
    """The one event of ``kind``, if no other event is speech."""
    found = [event for event in facts.events if event.kind == kind]
    return found[0] if len(found) == 1 and len(facts.said) == 1 else None


@family("digit", weight=5.0, phrases={"digit": DIGIT}, ready=lambda f: only(f, "digit") is not None)
def digit(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Seven.``"""
    text = only(facts, "digit").text
    return Question("digit", say("digit"), sentence(text), (text,))


@family("keyword", weight=4.0, phrases={"keyword": KEYWORD}, ready=lambda f: only(f, "keyword") is not None)
def keyword(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Alexa.``"""
    text = only(facts, "keyword").text
    return Question("keyword", say("keyword"), sentence(text), (text,))


def words(event: FactEvent) -> list[str]:
    """What is said, piece by piece; an order is its slot values in one fixed order."""
    if event.slots:
        return [event.slots[slot] for slot in SLOTS if event.slots.get(slot)]
    return [event.text] if event.text else []


@family(
    "transcribe",
    weight=2.0,
    phrases={"transcribe": TRANSCRIBE},
    ready=lambda f: bool(f.said) and (len(f.said) == 1 or f.in_order),
)
def transcribe(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``seven, two.`` or ``large, dark roast, iced coffee.``"""
    text = ", ".join(word for event in facts.said for word in words(event))
    return Question("transcribe", say("transcribe"), f"{text}.", (text,)) if text else None


def _order(facts: Facts) -> FactEvent | None:
    return facts.said[0] if len(facts.said) == 1 and facts.said[0].slots else None


@family("slot", weight=3.0, phrases=SLOT_PHRASES, ready=lambda f: _order(f) is not None)
def slot(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Iced coffee.``; ``None.`` where the order doesn't say."""
    slots = _order(facts).slots
    filled = [name for name in SLOTS if slots.get(name)]
    empty = [name for name in SLOTS if not slots.get(name)]
    # Most slots of most orders are empty; asked evenly, "None." would be the safe answer.
    name = rng.choice(empty if empty and (not filled or rng.random() < 0.25) else filled)
    value = slots.get(name) or "none"
    return Question("slot", say(name), sentence(value), (value,))


def feeling(facts: Facts) -> str | None:
    """The emotion of the one voice that is heard."""
    felt = [event for event in facts.events if event.emotion]
    voices = [event for event in facts.events if event.emotion or event.text or event.slots or event.label == "speech"]
    return felt[0].emotion if len(felt) == 1 and len(voices) == 1 else None


@family("emotion", weight=6.0, phrases={"emotion": EMOTION}, ready=lambda f: feeling(f) is not None)
def emotion(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Anger.``"""
    felt = feeling(facts)
    return Question("emotion", say("emotion"), sentence(felt), (felt,))
