"""Does an answer depend on the sound at all? The same questions over silence, noise, and other recordings.

python examples/did_it_listen.py "What is this sound?" *.wav
"""

import sys

import ossicle
from ossicle import Audio, Conversation, user
from ossicle.chat.controls import CONTROLS


def main(question: str, *files: str, model: str = "tiny") -> None:
    """Print the answers side by side, and how many stay the same without the sound."""
    lm = ossicle.load(model)
    chats = [Conversation.of(user(Audio(file), question)) for file in files]
    answers = {name: [reply.text for reply in lm.generate(control(chats))] for name, control in CONTROLS.items()}
    for number, file in enumerate(files):
        print(file)
        for name in answers:
            print(f"  {name:>8}  {answers[name][number]}")
    same = {name: sum(a == b for a, b in zip(answers["real"], answers[name], strict=True)) for name in answers}
    print("answers that stay the same:", ", ".join(f"{name} {n}/{len(files)}" for name, n in same.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
