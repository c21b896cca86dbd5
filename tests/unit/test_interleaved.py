"""Sound and text in turns: what is heard, what follows, what is learnt, and what must never be heard."""

import json
import math
import pickle

import numpy as np
import pytest
import soundfile
import torch
from tiny_run import losses, recipe

from ossicle.batch import Batch
from ossicle.data.source import Checked, Worded, make_source
from ossicle.data.statistics import statistics_of
from ossicle.support.errors import DataError, SpecError
from ossicle.support.progress import Progress
from ossicle.training import train
from ossicle.training.objectives import Seen, objectives
from random_bundle import random_bundle

WORDS = ("one", "two two", "three", "four", "five")
SPANS = ((0.0, 1.0), (1.0, 1.5), (1.5, 2.5), (2.7, 3.0), (3.0, 4.0))


def row(audio="talk.wav", number=5, **more):
    segments = [
        {"start": start, "end": end, "text": f" {text} ", "avg_logprob": -0.2}
        for (start, end), text in zip(SPANS[:number], WORDS, strict=False)
    ]
    return {"audio": audio, "segments": segments, "meta": {"id": "talk"}, **more}


@pytest.fixture
def file(tmp_path):
    x = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "talk.wav", x, 8_000)

    def write(*rows):
        path = tmp_path / "talks.jsonl"
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows) + "\n")
        return str(path)

    return write


def source_of(path, pattern, **options):
    return make_source({"type": "interleaved", "path": path, "pattern": pattern, **options}, "data.x")


def told(chat):
    """Each turn: what is heard from when to when, the mark, the reply."""
    turns = zip(chat.messages[::2], chat.messages[1::2], strict=True)
    return [((m.audios[0].start_s, m.audios[0].end_s), m.text, reply.text) for m, reply in turns]


def test_repeat_is_one_segment_and_its_words_in_a_row(file):
    source = source_of(file(row()), "repeat")
    assert source.num_rows == 5
    found = [told(source.rows(index)[0]) for index in range(5)]
    assert found == [[(span, "<repeat>", text)] for span, text in zip(SPANS, WORDS, strict=True)]
    assert [source.seconds(index) for index in range(5)] == pytest.approx([1.0, 0.5, 1.0, 0.3, 1.0])
    assert source.rows(3)[0].meta == {"id": "talk-3", "pattern": "repeat"}
    assert isinstance(source, Worded) and source.texts(1) == ("<repeat>", "two two")


def test_next_hears_every_other_segment_and_learns_the_words_between(file):
    """Of five segments the last has none after it; what is predicted is not heard."""
    source = source_of(file(row()), "next")
    (chat,) = source.rows(0)
    assert source.num_rows == 1 and source.seconds(0) == 2.0
    assert told(chat) == [((0.0, 1.0), "<next>", "two two"), ((1.5, 2.5), "<next>", "four")]
    assert chat.messages[0].parts[0].load(8_000).shape == (1, 8_000)
    assert pickle.loads(pickle.dumps(source)).rows(0) == source.rows(0)


def test_rows_end_where_they_are_long_enough(file):
    path = file(row(), row(number=4))
    by_pairs = source_of(path, "repeat", pairs=2)
    assert [len(told(by_pairs.rows(n)[0])) for n in range(by_pairs.num_rows)] == [2, 2, 1, 2, 2]
    by_seconds = source_of(path, "repeat", pairs=9, row_s=1.5)
    assert [len(told(by_seconds.rows(n)[0])) for n in range(by_seconds.num_rows)] == [2, 2, 1, 2, 2]
    assert all(by_seconds.seconds(n) <= 1.5 for n in range(by_seconds.num_rows))
    alone = source_of(path, "next", row_s=0.1)
    assert [len(told(alone.rows(n)[0])) for n in range(alone.num_rows)] == [1] * 4
    assert source_of(path, "next", pairs=1).rows(1)[0].meta["id"] == "talk-1"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"mark": "Go on."}, "Go on."), ({"mark": ""}, ""), ({"mark_first": True}, "<next>")],
)
def test_marks_are_anything_and_anywhere(file, options, wanted):
    source = source_of(file(row()), "next", **options)
    message = source.rows(0)[0].messages[0]
    assert message.text == wanted and len(message.parts) == 1 + bool(wanted)
    assert (message.parts[0] == wanted) == bool(options.get("mark_first"))
    assert source.texts(0)[0] == (wanted or "two two")


def test_speakers_who_overlap_are_not_heard_before_their_turn(file):
    segments = [
        {"start": 0.5, "end": 2.0, "text": "last"},
        {"start": 0.0, "end": 1.0, "text": "first"},
        {"start": 0.2, "end": 0.3, "text": "  "},
    ]
    one = {"audio": "talk.wav", "segments": segments}
    assert told(source_of(file(one), "next").rows(0)[0]) == [((0.0, 0.5), "<next>", "last")]
    repeat = source_of(file(one), "repeat")
    assert [told(repeat.rows(n)[0])[0][0] for n in range(2)] == [(0.0, 1.0), (0.5, 2.0)]
    assert repeat.rows(0)[0].meta["id"] == "talk.wav-0"


@pytest.mark.parametrize("pattern", ["repeat", "next"])
def test_only_the_texts_and_their_ends_are_learnt(file, pattern):
    bundle = random_bundle()
    (chat,) = source_of(file(row()), pattern, pairs=3).rows(0)
    made = bundle.preparer()(chat)
    learnt = [token for token, trained in zip(made.ids, made.trained, strict=True) if trained]
    replies = [reply for _, _, reply in told(chat)]
    assert bundle.renderer.decode(learnt) == "".join(replies)
    assert len(learnt) == sum(len(bundle.renderer.encode_text(reply)) + 1 for reply in replies)
    assert len(made.audio_tokens) == len(replies)
    seen = Seen(bundle.model, Batch.pack([made]), bundle.pad_id)
    loss = objectives.get("next_token")(objectives.get("next_token").Options(), bundle)(seen)["loss"]
    assert loss.isfinite()


def test_both_patterns_train_half_and_half(file, tmp_path):
    torch.set_num_threads(1)
    path = file(row(), row(number=4))
    given = recipe(tmp_path, renew=[])
    data = {
        pattern: {"type": "interleaved", "path": path, "pattern": pattern, "weight": 0.5}
        for pattern in ("repeat", "next")
    }
    train(
        {**given, "stages": [{**given["stages"][1], "data": data, "steps": 3}]}, tmp_path / "run", workers=0, quiet=True
    )
    assert all(math.isfinite(dict(line)["loss"]) for line in losses(tmp_path / "run"))
    found = statistics_of(source_of(path, "repeat"), Progress(None, "rows", "x"))
    assert found.rows == 9


def test_what_is_wrong_is_named_by_line(file):
    good = row()
    source = source_of(file(good), "next")
    assert isinstance(source, Checked)
    source.check()
    for bad, says in (
        ("{", "line 2: not valid JSON"),
        ({"segments": []}, 'line 2: expected an object with the path of an "audio"'),
        ({**good, "words": []}, "line 2: unknown key 'words'"),
        ({**good, "segments": [{"start": 1, "end": 1, "text": "a"}]}, "line 2: a segment has a start, a later end"),
        ({**good, "segments": [{"start": 0, "end": 1}]}, "line 2: a segment has a start"),
        ({**good, "segments": [good["segments"][0]] * 2}, "line 2: two segments begin at 0 s"),
    ):
        with pytest.raises(DataError, match=says):
            source_of(file(good, bad), "next")
    with pytest.raises(DataError, match="has no rows"):
        source_of(file(row(number=1)), "next")
    with pytest.raises(DataError, match="cannot be read"):
        source_of("nowhere.jsonl", "next")
    with pytest.raises(SpecError, match="pattern"):
        source_of(file(good), "both")
    for audio, says in (("gone.wav", "line 1: .*gone.wav"), ("talk.wav", "line 1: .*cut")):
        late = {**row(audio), "segments": [{"start": 1.0, "end": 9.0, "text": "a"}]}
        with pytest.raises(DataError, match=says):
            source_of(file(late), "repeat").check()
