"""Each row hears its own sound: what would reach another row's words is refused, in every way of calling a model."""

import itertools
import random

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, user
from ossicle.models import Local, save
from ossicle.models.integrations.base import check_room
from ossicle.models.lalm import repeated
from ossicle.support.errors import DataError
from random_bundle import INTEGRATIONS, random_bundle

IN_PROMPT = ("prompt", "task_aware", "prompt_adapter")
BUNDLES = {}


@pytest.fixture(params=INTEGRATIONS)
def bundle(request):
    return bundle_of(request.param)


def bundle_of(name):
    if name not in BUNDLES:
        BUNDLES[name] = random_bundle(**INTEGRATIONS[name])
    return BUNDLES[name]


def sound(seconds: float, seed: int = 0) -> Audio:
    x = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return Audio.from_samples(x * 0.1, 16_000)


def inputs_of(bundle, *chats):
    prepare = bundle.preparer()
    return Batch.pack([prepare(chat, reply=True) for chat in chats]).inputs(pad_id=bundle.pad_id)


def moved(bundle, inputs, count):
    """The last audio ids of the first row, ``count`` of them, put in place of the second row's first words."""
    ids, audio_id = inputs["input_ids"].clone(), bundle.model.config.audio_token_id
    places = (ids[0] == audio_id).nonzero()[-count:, 0]
    free = (ids[1] != audio_id).nonzero()[:count, 0]
    ids[0, places], ids[1, free] = ids[1, free], ids[0, places].clone()
    return {**inputs, "input_ids": ids}


@pytest.mark.parametrize("name", IN_PROMPT)
def test_an_audio_id_in_another_row_is_refused(name):
    bundle = bundle_of(name)
    inputs = inputs_of(bundle, *(Conversation.of(user(sound(s, 1), "What is it?")) for s in (2.0, 1.0)))
    bundle.model(**inputs)
    wrong = moved(bundle, inputs, 1)
    assert (wrong["input_ids"] == bundle.model.config.audio_token_id).sum(1).tolist() == [12, 8]
    with pytest.raises(DataError, match="row 0 has room for 12 audio tokens and its sound gives 13"):
        bundle.model(**wrong)
    del wrong["audio_runs"]  # as transformers' processor gives them
    with pytest.raises(DataError, match="row 0 has room for 12 audio tokens and its sound gives 13"):
        bundle.model(**wrong)


@pytest.mark.parametrize("name", IN_PROMPT)
def test_a_whole_recording_in_another_row_is_refused(name):
    bundle = bundle_of(name)
    two = Conversation.of(user(sound(2.0, 1), sound(1.0, 2), "Which is it?"))
    inputs = inputs_of(bundle, two, Conversation.of(user("Only words, and enough of them.")))
    bundle.model(**inputs)
    with pytest.raises(DataError, match="row 0 has room for 13 audio tokens and its sound gives 20"):
        bundle.model(**moved(bundle, inputs, 7))


def test_a_recording_that_another_row_names_is_refused():
    bundle = bundle_of("cross_attention")
    inputs = inputs_of(bundle, *(Conversation.of(user(sound(s, 1), "What is it?")) for s in (2.0, 1.0)))
    bundle.model(**inputs)
    with pytest.raises(DataError, match="row 0 names 0 recordings and its sound is of 1"):
        bundle.model(**moved(bundle, inputs, 1))


def test_runs_of_other_rows_are_refused(bundle):
    inputs = inputs_of(bundle, *(Conversation.of(user(sound(s, 1), "What is it?")) for s in (2.0, 1.0)))
    with pytest.raises(DataError, match="counted for 1 rows, and there are 2"):
        bundle.model(**{**inputs, "audio_runs": torch.tensor([2])})
    with pytest.raises(DataError, match="hear 3 runs of audio tokens and the sound has 2"):
        bundle.model(**{**inputs, "audio_runs": torch.tensor([2, 1])})
    with pytest.raises(DataError, match="row 0 "):
        bundle.model(**{**inputs, "audio_runs": torch.tensor([2, 0])})


def test_audio_ids_without_sound_are_refused_in_a_prompt_and_words_after_it(bundle):
    words, heard = (inputs_of(bundle, Conversation.of(user(*parts))) for parts in (["Hi."], [sound(1.0), "?"]))
    with pytest.raises(DataError, match="row 0 holds audio ids and no sound came with it; give input_features"):
        bundle.model(input_ids=heard["input_ids"])
    both = torch.cat([words["input_ids"][:, :4], heard["input_ids"][:, 1:5]])
    with pytest.raises(DataError, match="row 1 holds audio ids"):
        bundle.model(input_ids=both)
    cache = bundle.model(**words, use_cache=True).past_key_values
    said = torch.tensor([[bundle.model.config.audio_token_id]])
    assert bundle.model(input_ids=said, past_key_values=cache).logits.isfinite().all()


def test_rooms_are_told_apart_whatever_their_sizes():
    rng = random.Random(0)
    for _ in range(500):
        counts = [rng.randrange(4) for _ in range(rng.randint(2, 6))]
        lengths = [rng.randint(1, 9) for _ in range(sum(counts))]
        ends = [sum(counts[:row]) for row in range(len(counts) + 1)]
        room = [sum(lengths[one:other]) for one, other in itertools.pairwise(ends)]
        check_room(room, lengths, counts)
        check_room(room, lengths, None)
        one, other = rng.sample(range(len(room)), 2)
        wrong = [places + (row == one) - (row == other) for row, places in enumerate(room)]
        with pytest.raises(DataError, match=f"row {min(one, other)} has room for"):
            check_room(wrong, lengths, counts)
        for short in (room[:-1], [*room, 1]):
            if sum(short) != sum(room):
                with pytest.raises(DataError, match="room for"):
                    check_room(short, lengths, None)


def asked(processor, *recordings):
    """A batch as transformers' users make it."""
    chats = [
        [
            {
                "role": "user",
                "content": [*({"type": "audio", "audio": x} for x in some), {"type": "text", "text": "Is it?"}],
            }
        ]
        for some in recordings
    ]
    return processor.apply_chat_template(
        chats,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={
            "audio_kwargs": {"sampling_rate": processor.feature_extractor.sampling_rate},
            "text_kwargs": {"padding": True, "padding_side": "left"},
        },
    )


def test_transformers_own_way_pads_and_replies_as_each_alone(bundle, tmp_path):
    save(bundle, tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    recordings = [[sound(1.37, 1), sound(0.4, 2)], [sound(2.1, 3)]]
    rate = processor.feature_extractor.sampling_rate
    inputs = asked(processor, *([one.load(rate)[0] for one in some] for some in recordings))
    assert inputs["attention_mask"][:, 0].sum() == 1, "the rows are padded on the left"
    runs = inputs.get("audio_runs")
    assert runs is None if bundle.model.model.integration.numbers_recordings is False else runs.tolist() == [2, 1]
    out = bundle.model.generate(**inputs, max_new_tokens=6, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    chats = [Conversation.of(user(*some, "Is it?")) for some in recordings]
    ends = bundle.renderer.end_ids
    said = [bundle.renderer.decode([i for i in row if i not in ends]).strip() for row in out.tolist()]
    assert said == [one.text for one in Local(bundle, "random").generate(chats, Sampling(max_new_tokens=6))]


def test_beams_of_a_row_hear_its_own_sound(bundle):
    chats = [Conversation.of(user(sound(1.0, seed), "What is it?")) for seed in (1, 7)]
    how = {"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 5, "do_sample": False}
    inputs = inputs_of(bundle, *chats)
    together = bundle.model.generate(**inputs, **how)
    alone = [bundle.model.generate(**inputs_of(bundle, chat), **how) for chat in chats]
    assert together.tolist() == torch.cat(alone).tolist()
    assert not torch.equal(*alone)


def test_windows_are_heard_by_every_copy_of_their_row():
    sound = {
        "input_features": torch.zeros(3, 4, 2),
        "audio_windows": torch.tensor([0, 1, 0, 2]),
        "audio_recordings": torch.tensor([0, 0, 1, 2]),
        "audio_runs": torch.tensor([3, 0, 1]),
    }
    found = {name: value.tolist() for name, value in repeated(sound, 3, 2).items()}
    assert found == {
        "audio_windows": [0, 1, 0, 0, 1, 0, 2, 2],
        "audio_recordings": [0, 0, 1, 2, 2, 3, 4, 5],
        "audio_runs": [3, 3, 0, 0, 1, 1],
    }
    with pytest.raises(DataError, match="3 rows hear 4 windows, and nothing says which hears which"):
        repeated({name: value for name, value in sound.items() if name != "audio_runs"}, 3, 2)
