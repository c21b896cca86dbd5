"""Everything about asking: files, several recordings at once, streaming, and what reached the model.

python examples/ask_in_python.py door.wav dog.wav
"""

import sys

import ossicle
from ossicle import Audio, Conversation, Sampling, user


def main(first: str, second: str, model: str = "tiny") -> None:
    """Ask about two recordings, in five ways."""
    lm = ossicle.load(model)  # a name or a folder; device="cuda", dtype="bfloat16", long_audio="error"

    reply = lm.ask(first, "What is this sound?")
    print(reply.text, reply.usage)

    # A part of a recording, and two of them in one question. Nothing is decoded before it is needed.
    start = Audio(first).clip(0.0, min(1.0, Audio(first).duration_s))
    print(lm.ask([start, second], "Are these two the same sound?").text)

    # A conversation is messages of text and sound in any order; many are answered together.
    chats = [Conversation.of(user(Audio(path), "Describe the recording.")) for path in (first, second)]
    for answer in lm.generate(chats, Sampling(max_new_tokens=64)):
        print(answer.text)

    # As it is said.
    for piece in lm.stream(chats[0]):
        print(piece.text, end="", flush=True)
    print()

    # Which of these answers is likeliest? Log probabilities, comparable within one question.
    options = ["A dog.", "A door."]
    (scores,) = lm.score(chats[:1], [options])
    print(dict(zip(options, scores, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
