"""Stop strings: where they end a text, what of it may be shown before, and that every answerer obeys."""

import json
import random
import threading

import numpy as np
import pytest
import soundfile
from fake_endpoint import Fake, piece, says, sse

from ossicle.audio import Audio
from ossicle.chat import Conversation, Sampling, user
from ossicle.chat.stopping import before_stop, settled, stop_at
from ossicle.cli import main
from ossicle.models import Local, load
from ossicle.support.errors import DataError
from random_bundle import INTEGRATIONS, random_bundle

GREEDY = Sampling(max_new_tokens=12)


def sound(seconds: float, seed: int = 0) -> Audio:
    x = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return Audio.from_samples(x * 0.1, 16_000)


@pytest.mark.parametrize(
    ("text", "stop", "end"),
    [
        ("a dog", ("cat",), None),
        ("a dog", ("dog",), 2),
        ("a dog and a dog", ("dog",), 2),
        ("one two", ("two", "one"), 0),
        ("abcd", ("bc", "abcd"), 1),  # complete first
        ("abcd", ("cd", "bcd", "d"), 1),  # complete together: the longest
        ("", ("x",), None),
        ("text", (), None),
    ],
)
def test_the_stop_string_that_is_complete_first_ends_the_text(text, stop, end):
    assert stop_at(text, stop) == end
    assert before_stop(text, stop) == (text if end is None else text[:end])


def letter_by_letter(text, stop):
    """The text before the first stop string, as whoever reads letter by letter finds it."""
    for size in range(len(text) + 1):
        complete = [one for one in stop if text[:size].endswith(one)]
        if complete:
            return text[: size - max(map(len, complete))]
    return None


def test_nothing_is_shown_that_is_taken_back_and_nothing_is_held_back_without_need():
    rng = random.Random(0)
    stopped = 0
    for _ in range(3000):
        text = "".join(rng.choices("ab\n", k=rng.randrange(20)))
        stop = tuple("".join(rng.choices("ab\n", k=rng.randint(1, 6))) for _ in range(rng.randint(1, 3)))
        cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randrange(6)))
        ended = letter_by_letter(text, stop)
        whole = text if ended is None else ended
        stopped += ended is not None
        shown = ""
        for end in [*cuts, len(text)]:
            now = settled(text[:end], stop)
            assert now.startswith(shown) and whole.startswith(now), (text, stop, cuts)
            shown = now
            if letter_by_letter(text[:end], stop) is None:  # what is held back can still become a stop string
                held = text[len(now) : end]
                assert held == "" or any(one.startswith(held) for one in stop)
        assert before_stop(text, stop) == whole
    assert 1000 < stopped < 2900


@pytest.mark.parametrize("stop", ["END", ("a", 3), [None]])
def test_what_is_not_several_strings_is_refused(stop):
    with pytest.raises(DataError, match="give several strings"):
        Sampling(stop=stop)


def test_an_empty_string_is_refused_and_a_list_is_fine():
    with pytest.raises(DataError, match="stop holds an empty string"):
        Sampling(stop=("a", ""))
    assert Sampling(stop=["a", "b"]) == Sampling(stop=("a", "b"))


@pytest.fixture(scope="module", params=INTEGRATIONS)
def lm(request):
    return Local(random_bundle(**INTEGRATIONS[request.param]), "random")


CHATS = [
    Conversation.of(user(sound(1.03, 1), "What is this?")),
    Conversation.of(user(sound(3.7, 2), "Is a bell there?")),
    Conversation.of(user("No sound at all.")),
]


def test_rows_of_a_batch_end_at_their_own_stop_strings(lm):
    free = lm.generate(CHATS, GREEDY)
    stop = free[0].text[3:6], free[1].text[-4:-1]  # one reply ends early, one late
    sampling = Sampling(max_new_tokens=12, stop=stop)
    together = lm.generate(CHATS, sampling)
    for chat, reply, whole in zip(CHATS, together, free, strict=True):
        assert lm.generate([chat], sampling) == [reply]
        assert reply.text == before_stop(whole.text, stop).strip()
        *_, last = pieces = list(lm.stream(chat, sampling))
        assert "".join(one.text for one in pieces).strip() == last.reply.text == reply.text
        assert last.reply == reply
        ends = stop_at(whole.text, stop) is not None
        assert reply.finish_reason == ("stop" if ends else whole.finish_reason)
    assert together[0].text == free[0].text[: free[0].text.index(stop[0])].strip()
    assert together[0].usage.completion_tokens < 12


def test_a_reply_is_counted_up_to_the_token_that_completes_the_stop_string():
    lm = Local(random_bundle(), "random")
    decode = lm.bundle.renderer.decode
    loop_ids = []
    real = lm._reply
    lm._reply = lambda request: loop_ids.append(list(request.ids)) or real(request)
    lm.generate(CHATS[:1], GREEDY)
    (ids,) = loop_ids
    text = decode(ids)
    stop = text[5:8]
    needed = next(n for n in range(len(ids) + 1) if stop in decode(ids[:n]))
    reply = lm.ask(CHATS[0].audios[0], "What is this?", max_new_tokens=12, stop=(stop,))
    assert (reply.usage.completion_tokens, reply.finish_reason) == (needed, "stop")
    at_the_end = Sampling(max_new_tokens=needed, stop=(stop,))
    assert lm.generate(CHATS[:1], at_the_end)[0].finish_reason == "stop"


def test_what_looked_like_a_stop_string_is_shown_in_the_end():
    lm = Local(random_bundle(), "random")
    whole = lm.generate(CHATS[:1], GREEDY)[0].text
    sampling = Sampling(max_new_tokens=12, stop=(whole[-4:] + "☃", whole[2:5] + "☃"))
    pieces = [one.text for one in lm.stream(CHATS[0], sampling)]
    assert "".join(pieces).strip() == whole
    assert pieces[-1].strip() and whole.endswith(pieces[-1].strip())


def test_each_stretch_of_a_long_recording_ends_at_its_own():
    lm = Local(random_bundle(), "random")
    free = lm.ask(sound(9.5), "What is this?", max_new_tokens=8).fields["stretches"]
    stop = free[0]["answer"][2:4]
    found = lm.ask(sound(9.5), "What is this?", max_new_tokens=8, stop=(stop,)).fields["stretches"]
    assert [one["answer"] for one in found] == [before_stop(one["answer"], (stop,)).strip() for one in free]
    assert found[0]["answer"] != free[0]["answer"]


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    server = Fake()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_endpoint_is_told_and_put_right(fake):
    lm = load(fake.ref())
    chat, sampling = Conversation.of(user("?")), Sampling(stop=("END", "\n"))
    fake.queue = [says("A dog.", usage={"completion_tokens": 4}), says("A dog. END of it")]
    assert lm.generate([chat], sampling)[0].text == "A dog."
    assert fake.asked[0]["stop"] == ["END", "\n"]
    (reply,) = lm.generate([chat], sampling)
    assert (reply.text, reply.finish_reason) == ("A dog.", "stop")
    lm.generate([chat])
    assert "stop" not in fake.asked[-1]


def test_an_endpoint_that_streams_on_lets_no_part_of_a_stop_string_out(fake):
    lm, chat = load(fake.ref()), Conversation.of(user("?"))
    usage = {"choices": [], "usage": {"completion_tokens": 9}}
    for size in (1, 2, 5):
        text = "A dENt. END. More"
        parts = [text[begin : begin + size] for begin in range(0, len(text), size)]
        fake.queue = [sse(*map(piece, parts), piece("", "length"), usage)]
        *deltas, last = lm.stream(chat, Sampling(stop=("END",)))
        assert "".join(delta.text for delta in [*deltas, last]) == "A dENt. "
        assert (last.reply.text, last.reply.finish_reason) == ("A dENt.", "stop")
        assert last.reply.usage.completion_tokens == 9
    fake.queue = [sse(piece("The EN"), piece("", "length"))]
    *deltas, last = lm.stream(chat, Sampling(stop=("END",)))
    assert [delta.text for delta in deltas] == ["The "] and last.text == "EN"
    assert (last.reply.text, last.reply.finish_reason) == ("The EN", "length")


def test_the_command_line_takes_several(fake, tmp_path, capsys):
    clip = str(tmp_path / "door.wav")
    soundfile.write(clip, np.zeros(800), 8000)
    words = ["ask", clip, "What?", "--model", fake.ref()]
    assert main([*words, "--json", "--stop", "END", "--stop", " dog"]) == 0
    assert fake.asked[-1]["stop"] == ["END", " dog"]
    assert json.loads(capsys.readouterr().out)["answer"] == "A"
    for more in ([], ["--json"]):
        assert main([*words, *more, "--stop", ""]) == 2
        assert capsys.readouterr().err.startswith("error: stop holds an empty string")
    out = str(tmp_path / "answers.jsonl")
    each = ["ask", "--each", str(tmp_path), "What?", "--out", out, "--model", fake.ref()]
    assert main([*each, "--stop", ""]) == 2
    assert len(fake.asked) == 1
    assert main([*each, "--stop", "dog"]) == 0
    assert json.loads((tmp_path / "answers.jsonl").read_text())["answer"] == "A"
