"""Sound as words: codes are those of transformers' codecs, are read one by one, and can be learnt."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import DacModel, EncodecModel, MimiModel

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, assistant, user
from ossicle.encoders import encoders
from ossicle.models import Local, build
from ossicle.models.build import load_bundle, save
from ossicle.spec import build_options
from ossicle.support.errors import SpecError
from ossicle.training.objectives import Seen, objectives
from ossicle.training.optimiser import freeze
from ossicle.training.recipe import Stage
from random_bundle import SPEC, random_bundle

PUBLISHED = {"dac": DacModel, "encodec": EncodecModel, "mimi": MimiModel}


def codec(name, codebooks=2):
    return {"type": name, **encoders.get(name).tiny().options.model_dump(mode="json"), "codebooks": codebooks}


def encoder_of(spec):
    cls, options = build_options(encoders, spec, "encoder")
    return cls(options).eval()


def heard(encoder, *recordings):
    features = [encoder.prepare(samples[None]) for samples in recordings]
    lengths = torch.tensor([len(f) for f in features])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)


def noise(num_samples, seed=0):
    return 0.3 * np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)


def sound(seconds, seed=0):
    return Audio.from_samples(noise(round(24_000 * seconds), seed), 24_000)


def parts(**projector):
    return {
        "encoder": codec("encodec"),
        "projector": {"type": "codes", **projector},
        "integration": "codes",
    }


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(**parts())


def seen_of(bundle, *chats):
    return Seen(bundle.model, Batch.pack([bundle.preparer()(chat) for chat in chats]), bundle.pad_id)


def stage_that_trains(*names):
    return Stage(name="s", train=dict.fromkeys(names, "full"), data={"a": {"type": "scenes"}}, steps=1)


def chat(seconds=1.0, seed=0, question="What is it?", answer="A dog."):
    return Conversation.of(user(sound(seconds, seed), question), assistant(answer))


@pytest.mark.parametrize("name", PUBLISHED)
def test_codes_are_those_of_the_published_codec(name, tmp_path):
    torch.manual_seed(0)
    sizes = encoders.get(name).tiny().options.config
    published = PUBLISHED[name](PUBLISHED[name].config_class(**sizes)).eval()
    for key, buffer in published.named_buffers():
        if key.rpartition(".")[2] in ("embed", "embed_sum"):
            buffer.normal_()
    if name == "encodec":  # random frames are all alike; these codebooks tell them apart
        with torch.inference_mode():
            frames_FD = published.encoder(torch.from_numpy(noise(9600, seed=9))[None, None])[0].T
        for level, middle in ((0, frames_FD.mean(0)), (1, 0.0)):
            published.quantizer.layers[level].codebook.embed.mul_(frames_FD.std(0)).add_(middle)
    published.save_pretrained(tmp_path)
    encoder = encoder_of({"type": name, "id": str(tmp_path), "codebooks": 2})
    encoder.load_pretrained()
    # Whole hops, as for a part of one upstream's rules differ with the version.
    samples = noise(encoder.hop * 30)
    with torch.inference_mode():
        x_BCT = torch.from_numpy(samples)[None, None]
        if name == "dac":
            codes_QF = published.encode(x_BCT, n_quantizers=2).audio_codes[0]
        elif name == "encodec":
            codes_QF = published.encode(x_BCT, bandwidth=max(published.config.target_bandwidths)).audio_codes[0, 0, :2]
        else:
            codes_QF = published.encode(x_BCT, num_quantizers=2).audio_codes[0]
    size = published.config.codebook_size
    ids, lengths = heard(encoder, samples)
    assert lengths.tolist() == [60] and encoder.codebooks == (size, size) and encoder.dim == 2 * size
    assert ids[0, :, 0].tolist() == (codes_QF + torch.tensor([[0], [size]])).T.flatten().tolist()
    assert len(set(ids[0, ::2, 0].tolist())) > 3, "random codebooks that tell nothing apart would prove nothing"


@pytest.mark.parametrize("name", PUBLISHED)
def test_codes_are_counted_before_they_exist_and_know_no_neighbour(name):
    torch.manual_seed(0)
    encoder = encoder_of(codec(name))
    lengths = [encoder.hop * 7 + more for more in (-1, 0, 1, 37)]
    recordings = [noise(length, seed) for seed, length in enumerate(lengths)]
    together = heard(encoder, *recordings)
    assert together.lengths_B.tolist() == [encoder.num_frames(length) for length in lengths]
    for row, samples in enumerate(recordings):
        alone = heard(encoder, samples)
        assert torch.equal(together.x_BFD[row, : alone.x_BFD.shape[1]], alone.x_BFD[0])


def test_a_reply_holds_no_code_and_sound_takes_its_places(bundle):
    seen = seen_of(bundle, chat(0.5), chat(1.3, seed=1))
    inputs = seen.batch.inputs(pad_id=bundle.pad_id)
    is_audio = inputs["input_ids"] == bundle.model.config.audio_token_id
    assert is_audio.sum(1).tolist() == [2 * -(-12_000 // 320), 2 * -(-31_200 // 320)]
    logits = bundle.model(**inputs).logits
    assert logits.shape[-1] == bundle.model.config.text_config.vocab_size
    other = bundle.model(**seen_of(bundle, chat(0.5, seed=5)).batch.inputs(pad_id=bundle.pad_id)).logits
    assert not torch.allclose(other[0, -1], logits[0, other.shape[1] - 1]), "another sound, another answer"


def test_answers_do_not_depend_on_the_batch(bundle):
    local = Local(bundle, "codes")
    chats = [Conversation.of(user(sound(s, seed=i), "What is it?")) for i, s in enumerate((0.4, 1.1, 2.0))]
    sampling = Sampling(max_new_tokens=8)
    together = [reply.text for reply in local.generate(chats, sampling)]
    assert together == [local.generate([one], sampling)[0].text for one in chats]


def test_the_loss_of_sound_is_that_of_each_code_in_its_codebook(bundle):
    seen = seen_of(bundle, chat(0.3), chat(0.3, question="Is it loud?", answer="No."), chat(0.5, seed=2))
    losses = objectives.get("next_token")(objectives.get("next_token").Options(sound=0.5), bundle)(seen)
    model, wanted = bundle.model.model, []
    size = model.audio_tower.codebooks[0]
    for row in (seen.batch.rows[0], seen.batch.rows[2]):  # the second hears what the first does
        ids = heard(model.audio_tower, *[w.features[:, 0].numpy() for w in row.windows]).x_BFD[0, :, 0]
        inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
        hidden = model(**inputs).last_hidden_state[0]
        at = (inputs["input_ids"][0] == bundle.model.config.audio_token_id).nonzero()[:, 0]
        scores = hidden[at - 1] @ model.multi_modal_projector.table.weight.T
        for code, score in zip(ids.tolist(), scores, strict=True):
            first = code // size * size
            wanted.append(F.cross_entropy(score[first : first + size], torch.tensor(code - first)))
    assert losses["sound"].item() == pytest.approx(torch.stack(wanted).mean().item(), rel=1e-4)
    assert losses["loss"].item() == pytest.approx(losses["next_token"].item() + 0.5 * losses["sound"].item())


@pytest.mark.parametrize("tied", [True, False])
def test_the_language_of_a_recording_is_learnt(tied):
    torch.manual_seed(0)
    bundle = build({**SPEC, **parts(tied=tied)}, ["What is it? A dog."] * 20)
    model = bundle.model
    freeze(model.parts(), model, stage_that_trains("projector", "language_model"))
    objective = objectives.get("next_token")(objectives.get("next_token").Options(sound=1.0), bundle)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, 3e-3)
    found = []
    for _ in range(25):
        losses = objective(seen_of(bundle, chat(0.3), chat(0.4, seed=1)))
        optimiser.zero_grad()
        losses["loss"].backward()
        assert all(p.grad is not None for p in trained)
        optimiser.step()
        found.append(losses["sound"].item())
    assert found[-1] < 0.7 * found[0]
    assert all(p.grad is None for p in model.model.audio_tower.parameters())


def test_new_rows_begin_like_words():
    torch.manual_seed(0)
    projector = random_bundle(**parts(tied=False)).model.model.multi_modal_projector
    words = 2.0 + 0.3 * torch.randn(500, projector.dim_out)
    projector.meet(words)
    for rows in (projector.table.weight, projector.head.weight):
        assert rows.mean().item() == pytest.approx(2.0, abs=0.05)
        assert rows.std(0).mean().item() == pytest.approx(0.3, abs=0.05)


def test_saved_and_read_again_it_answers_the_same(bundle, tmp_path):
    save(bundle, tmp_path / "model")
    again = load_bundle(tmp_path / "model")
    inputs = seen_of(bundle, chat()).batch.inputs(pad_id=bundle.pad_id)
    assert torch.equal(again.model(**inputs).logits, bundle.model(**inputs).logits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**parts(), "projector": {"type": "linear"}}, "linear reads frames, and encoder encodec gives codes"),
        ({"projector": {"type": "codes"}}, "codes reads codes, and encoder melnet gives frames"),
        ({"integration": "codes"}, "codes needs an encoder that gives codes, and melnet gives frames"),
        ({**parts(tied=False), "integration": "prompt"}, "tied false makes rows for saying codes"),
        ({**parts(), "encoder": codec("encodec", 99)}, "codebooks is 99, and this codec has 1 to 80"),
        ({**parts(), "encoder": {"type": "layers", "encoder": codec("mimi")}}, "mimi gives codes here"),
    ],
)
def test_parts_that_do_not_fit_say_so(changes, message):
    with pytest.raises(SpecError, match=message):
        build({**SPEC, **changes}, ["Some text."])


def test_what_cannot_be_trained_says_so(bundle):
    stage = stage_that_trains("encoder")
    with pytest.raises(SpecError, match=r"stages\.s\.train: an encoder that gives codes passes no gradient"):
        freeze(bundle.model.parts(), bundle.model, stage)
    options = objectives.get("next_token").Options(sound=1.0)
    with pytest.raises(SpecError, match="sound is for models that read codes"):
        objectives.get("next_token")(options, random_bundle())
