"""``import ossicle`` alone lets transformers' Auto classes read a model folder of ours, and imports nothing for it."""

import subprocess
import sys

import pytest

ORDERS = {
    "ossicle first": "import ossicle, ossicle.encoders.melnet\nfrom transformers import AutoProcessor",
    "transformers first": "from transformers import AutoProcessor, AutoConfig\nimport ossicle",
}


@pytest.mark.parametrize("first", ORDERS.values(), ids=ORDERS.keys())
def test_all_auto_classes_read_a_folder_of_ours(first, random_model):
    script = f"""{first}
import sys
assert "ossicle.models" not in sys.modules
folder = {str(random_model)!r}
processor = AutoProcessor.from_pretrained(folder)
assert type(processor).__name__ == "OssicleProcessor", type(processor)
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForMultimodalLM, AutoTokenizer
assert AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("<|audio|>") == processor.audio_token_id
assert type(AutoFeatureExtractor.from_pretrained(folder)) is type(processor.feature_extractor)
assert type(AutoConfig.from_pretrained(folder)).__name__ == "OssicleConfig"
assert type(AutoModel.from_pretrained(folder)).__name__ == "OssicleModel"
assert type(AutoModelForMultimodalLM.from_pretrained(folder)).__name__ == "LALM"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr


def test_a_class_is_as_before_after_its_first_call():
    from ossicle.support.late import before_first_call

    class Theirs:
        """Somebody's."""

        @classmethod
        def made(cls, *, name):
            """Of a name."""
            return cls.__name__, name

    class Child(Theirs):
        """Another's."""

    was, acts = vars(Theirs)["made"], []
    before_first_call(Theirs, "made", lambda: acts.append(1))
    assert Theirs.made.__doc__ == "Of a name." and not acts
    assert Child.made(name="a") == ("Child", "a")
    assert vars(Theirs)["made"] is was and acts == [1]
    assert Theirs.made(name="b") == ("Theirs", "b") and acts == [1]


def test_what_is_imported_later_is_told_once(tmp_path, monkeypatch):
    from ossicle.support.late import when_imported

    (tmp_path / "comes_late.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told = []
    when_imported("comes_late", lambda module: told.append(module.value))
    assert told == []
    import comes_late

    assert told == [1]
    when_imported("comes_late", lambda module: told.append(module))
    assert told == [1, comes_late]
    monkeypatch.delitem(sys.modules, "comes_late")
    import comes_late as again

    assert again is not comes_late and len(told) == 2
