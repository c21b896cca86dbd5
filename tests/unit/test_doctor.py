"""The doctor finds each fault that is planted, says how to mend it, and leaves a sound recipe alone."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from tiny_run import make_tones, recipe

from ossicle.cli import main
from ossicle.models import build
from ossicle.spec import dump_yaml
from ossicle.support.errors import SpecError
from ossicle.training import load_recipe
from ossicle.training.doctor import examine, settings
from ossicle.training.doctor.rows import of_rows
from ossicle.training.run import resolve


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def plan(folder, *, model=None, evaluate=None, data=None, **stage):
    """One stage that trains everything on tones."""
    given = recipe(folder, renew=[], **stage)
    only = {**given["stages"][1], **({"data": {"tones": data}} if data else {})}
    return load_recipe(
        {**given, "model": model or given["model"], "stages": [only], **({"evaluate": evaluate} if evaluate else {})}
    )


def found(given, verdict="fault", steps=0):
    return [finding.says for finding in examine(given, steps=steps, quiet=True) if finding.verdict == verdict]


def conversations(folder, rows):
    """A JSONL file of (recording, question, reply or None)."""
    lines = []
    for audio, question, reply in rows:
        content = [{"type": "audio", "path": str(audio)}, {"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        messages += [] if reply is None else [{"role": "assistant", "content": reply}]
        lines.append(json.dumps({"messages": messages}))
    file = folder / "rows.jsonl"
    file.write_text("\n".join(lines))
    return {"type": "conversations", "path": str(file)}


def wavs(tones):
    return sorted(tones.rglob("*.wav"))


def test_a_sound_recipe_has_no_fault_and_what_it_learns_needs_the_sound(tones):
    findings = examine(plan(tones, optimiser={"lr": 1e-2}, steps=20), steps=60, quiet=True)
    assert [finding.says for finding in findings if finding.verdict != "good"] == []
    assert {finding.topic for finding in findings} == {"data", "rows", "settings", "memory", "learning"}
    assert any("with the recordings of other rows" in finding.says for finding in findings)


# --- data -----------------------------------------------------------------------------------------------------------


def test_a_recording_that_is_gone_or_is_none_is_named(tones, tmp_path):
    (tmp_path / "words.wav").write_text("these are words")
    rows = [
        (wavs(tones)[0], "What?", "low"),
        (tmp_path / "gone.wav", "What?", "high"),
        (wavs(tones)[5], "What?", "mid"),
    ]
    said = found(plan(tones, data=conversations(tmp_path, rows)))
    assert len(said) == 1 and "gone.wav" in said[0] and "line 2" in said[0]
    rows[1] = (tmp_path / "words.wav", "What?", "high")
    said = found(plan(tones, data=conversations(tmp_path, rows)))
    assert len(said) == 1 and "words.wav" in said[0]
    gone = {"type": "folder", "path": str(tmp_path / "none")}
    said = examine(plan(tones, data=gone), quiet=True)
    assert any("there is no such folder" in finding.says for finding in said if finding.verdict == "fault")
    assert said[-1].says == "not tried, as there are no rows to learn; mend the data."


def test_a_recording_cut_short_on_disk_is_found_by_decoding(tones, tmp_path):
    shutil.copytree(tones, tmp_path / "tones")
    noise = np.random.default_rng(0).standard_normal(16_000) * 0.1
    soundfile.write(tmp_path / "tones" / "low" / "cut.flac", noise, 16_000)
    file = tmp_path / "tones" / "low" / "cut.flac"
    file.write_bytes(file.read_bytes()[:9000])
    assert any("cut.flac" in says for says in found(plan(tmp_path / "tones")))


@pytest.mark.parametrize(
    ("samples", "says"),
    [(np.zeros(8000), "are silent (x.wav)"), (np.ones(200) * 0.1, "are shorter than 0.05 s (x.wav)")],
)
def test_recordings_without_sound_are_doubted(tones, tmp_path, samples, says):
    shutil.copytree(tones, tmp_path / "tones")
    soundfile.write(tmp_path / "tones" / "low" / "x.wav", samples, 16_000)
    assert any(says in doubt for doubt in found(plan(tmp_path / "tones"), "doubt"))


def test_rows_that_are_there_twice_or_contradict_each_other(tones, tmp_path):
    low, high = wavs(tones)[0], wavs(tones)[-1]
    rows = [(low, "What?", "low"), (low, "What?", "low"), (high, "What?", "high"), (high, "What?", "shrill")]
    said = found(plan(tones, data=conversations(tmp_path, rows)), "doubt")
    assert any("1 of 4 rows are there twice" in says for says in said)
    assert any("different replies ('high' and 'shrill')" in says for says in said)


def test_one_reply_to_everything(tones, tmp_path):
    rows = [(wav, "What?", "a tone") for wav in wavs(tones)]
    assert any("every reply is 'a tone'" in says for says in found(plan(tones, data=conversations(tmp_path, rows))))


def test_recordings_held_out_that_are_trained_on(tones):
    held = {"test": {"data": {"type": "folder", "path": str(tones), "questions": ["Which pitch?"]}}}
    [says] = found(plan(tones, evaluate=held))
    assert says.startswith("evaluate.test.data: 12 of 12 recordings read are trained on in stage tune")


def test_recordings_longer_than_a_batch_and_heard_too_often(tones):
    assert any("longer than seconds_per_batch (0.5)" in s for s in found(plan(tones, seconds_per_batch=0.5), "doubt"))
    assert any("is heard about" in says for says in found(plan(tones, steps=5000), "doubt"))


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({"train": {"projector": "full", "language_model": "full"}}, "fault", "model.encoder begins at random and no"),
        ({"optimiser": {"lr": 1e-6}}, "doubt", "projector begins at random and hardly moves at 1e-06"),
        ({"optimiser": {"lr": 1e-3, "warmup_steps": 8}}, "fault", "warmup_steps 8 leaves none of its 8 steps"),
        ({"ema": 0.999}, "doubt", "ema 0.999 still remembers its first steps after 8"),
        ({"model": {"base": "tiny"}, "optimiser": {"lr": 1e-3}}, "doubt", "encoder has learnt already, and 0.001 will"),
        (
            {
                "model": {"base": "tiny"},
                "train": {"language_model": {"lora": {"rank": 2}}},
                "optimiser": {"lr": 1e-6},
            },
            "doubt",
            "language_model learns by adapters at 1e-06",
        ),
        (
            {"model": {"base": "tiny", "projector": {"type": "linear"}}, "train": {"encoder": "full"}},
            "fault",
            "model.projector begins at random and no stage trains it",
        ),
    ],
)
def test_settings_that_do_not_go_together(tones, changes, verdict, says):
    given = resolve(plan(tones, **changes))
    said = [finding.says for finding in settings.of_settings(given) if finding.verdict == verdict]
    assert any(says in one for one in said), said


def test_too_little_memory(tones, monkeypatch):
    monkeypatch.setattr(settings, "_free", lambda device: 1000.0)
    findings = examine(plan(tones), quiet=True)
    [fault] = [finding for finding in findings if finding.verdict == "fault"]
    assert fault.topic == "memory" and "lower seconds_per_batch" in fault.says
    assert findings[-1].says == "not tried, as there is no room for it."


def test_what_a_stage_takes_grows_with_what_it_trains(tones):
    from ossicle.models.parts import parts_of_spec

    whole = resolve(plan(tones))
    part = resolve(plan(tones, train={"projector": "full"}))
    parts = parts_of_spec(whole.model)
    counts = parts.counts()
    counts["projector"] += counts.pop("integration")
    more, less = (settings._needs(one.stages[0], parts, counts, 10.0) for one in (whole, part))
    assert more - less > 16 * (sum(counts.values()) - counts["projector"])
    deep = plan(tones).model
    deep = {**deep, "language_model": {**deep["language_model"], "num_hidden_layers": 16}}
    keeps, again = (resolve(plan(tones, model=deep, recompute=recompute)) for recompute in (False, True))
    parts = parts_of_spec(keeps.model)
    much, little = (settings._needs(one.stages[0], parts, counts, 1000.0) for one in (keeps, again))
    assert little < 0.5 * much
    wide = resolve(plan(tones, model={**plan(tones).model, "tokenizer": {"vocab_size": 60_000}}))
    logits = settings._needs(wide.stages[0], parts_of_spec(wide.model), counts, 1000.0) - settings._needs(
        whole.stages[0], parts_of_spec(whole.model), counts, 1000.0
    )
    words = whole.stages[0].seconds_per_batch * 1000.0 / 3
    assert logits > 12 * words * 50_000


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_without_a_reply_are_a_fault(tones, tmp_path):
    rows = [(wavs(tones)[0], "What?", "low"), (wavs(tones)[5], "What?", None)]
    said = found(plan(tones, data=conversations(tmp_path, rows)))
    assert any("1 of 2 rows have no trained token" in says for says in said)


def test_rows_longer_than_the_language_model_reads(tones):
    given = recipe(tones)["model"]
    short = {**given, "language_model": {**given["language_model"], "max_position_embeddings": 12}}
    assert any("more tokens (up to" in says and "positions (12)" in says for says in found(plan(tones, model=short)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda template, bos: 2 * f"{{{{ '{bos}' }}}}" + template, "twice, which the language model"),
        (
            lambda template, bos: template.replace(
                "{% if add_generation_prompt %}", "{% if add_generation_prompt %}Now: "
            ),
            "is not how the trained row begins",
        ),
    ],
)
def test_templates_that_mislead(tones, change, says):
    bundle = build(recipe(tones)["model"], ["What is this sound? low middle high"] * 10)
    tokenizer = bundle.tokenizer
    if tokenizer.bos_token is None:
        tokenizer.bos_token = tokenizer.eos_token
    tokenizer.chat_template = change(tokenizer.chat_template, tokenizer.bos_token)
    bundle.renderer._structure.clear()
    chats = [chat for index in range(4) for chat in source_of(tones).rows(index)]
    assert any(says in finding.says for finding in of_rows(bundle, chats, "x"))


def test_replies_that_never_end(tones):
    bundle = build(recipe(tones)["model"], ["What is this sound? low middle high"] * 10)
    chats = [chat for index in range(4) for chat in source_of(tones).rows(index)]
    assert not any("talk on" in finding.says for finding in of_rows(bundle, chats, "x"))
    bundle.tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    bundle.renderer._structure.clear()
    assert any("learn to talk on" in finding.says for finding in of_rows(bundle, chats, "x"))


def source_of(tones):
    from ossicle.data import make_source

    return make_source({"type": "folder", "path": str(tones)}, "x")


# --- learning -------------------------------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_learnt(tones):
    said = found(plan(tones, optimiser={"lr": 1e-5}, train={"projector": "full"}), "fault", steps=8)
    assert any("nothing is learnt" in says for says in said)


def test_replies_that_are_learnt_without_listening(tones, tmp_path):
    rows = [(wav, f"Is it {wav.parent.name}?", f"It is {wav.parent.name}.") for wav in wavs(tones)]
    # The encoder and projector say the same of everything: no sound passes.
    given = plan(
        tones, data=conversations(tmp_path, rows), train={"language_model": "full"}, optimiser={"lr": 1e-2}, steps=20
    )
    said = found(given, "doubt", steps=60)
    assert any("learns the replies without listening" in says for says in said)


def test_an_objective_that_the_rows_do_not_suit_is_a_finding(tones):
    said = found(plan(tones, objective={"type": "dpo"}), steps=2)
    assert any("is not one of two replies" in says for says in said)
    said = found(plan(tones, train={"projector": "full", "language_model": {"lora": {"targets": ["no"]}}}), steps=2)
    assert any("none of no is there" in says for says in said)
    with pytest.raises(SpecError, match="there is no device 'gpu'"):
        examine(plan(tones), device="gpu", quiet=True)


def test_a_loss_that_is_no_number(tones):
    said = found(plan(tones, optimiser={"lr": 1e18, "clip_norm": 1e9}), steps=20)
    assert any("the gradient is" in says or "nothing is learnt" in says for says in said)


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_exits_1_where_there_is_a_fault_and_writes_nothing(tones, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = plan(tones, optimiser={"lr": 1e-2}, steps=20).to_mapping()
    (tmp_path / "good.yaml").write_text(dump_yaml(given))
    assert main(["doctor", "good.yaml"]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line and not line.startswith(" ")][-1] == "0 fault(s), 0 doubt(s)"
    assert main(["doctor", "good.yaml", "stages.tune.train.encoder=frozen", "--steps", "0", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["fault"] == 1 and any(one["verdict"] == "fault" for one in told["findings"])
    assert [path.name for path in tmp_path.iterdir()] == ["good.yaml"]
    assert main(["doctor", "none.yaml"]) == 2
