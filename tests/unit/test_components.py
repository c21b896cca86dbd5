"""What a recipe can name, as ``ossicle show components`` tells it."""

import json

import pytest
import torch
from torch import nn

from ossicle.cli import main
from ossicle.commands.components import _operations
from ossicle.encoders import encoders
from ossicle.encoders.base import Encoder, Frames
from ossicle.projectors import projectors


def test_every_component_is_told_with_its_rate_and_width(capsys):
    assert main(["show", "components", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["type"] for one in found["encoders"]] == encoders.names()
    assert [one["type"] for one in found["projectors"]] == projectors.names()
    rows = {one["type"]: one for one in found["encoders"]}
    assert (rows["whisper"]["frames_per_s"], rows["qwen2_audio"]["frames_per_s"]) == (50, 25)
    assert rows["voxtral"]["frames_per_s"] == 50  # 1500 frames, of the 30 s to which every window is filled
    assert rows["melnet"]["licence"] is None and rows["wavlm"]["licence"]
    assert all(one["about"].endswith(".") for one in (*found["encoders"], *found["projectors"]))
    assert main(["show", "components"]) == 0
    assert "window_qformer" in capsys.readouterr().out


def test_options_that_are_for_components_only(capsys):
    for option in ("--json", "--cost"):
        assert main(["show", "tiny", option]) == 2
        assert "show components" in capsys.readouterr().err


class Known(Encoder):
    """One matrix from 160 samples to 8 numbers."""

    sample_rate, dim, window_samples = 16_000, 8, 480_000

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Linear(160, 8, bias=False)

    @classmethod
    def tiny(cls):
        return cls()

    def prepare(self, samples_CT):
        return torch.from_numpy(samples_CT[0]).reshape(-1, 160)

    def num_frames(self, num_samples):
        return num_samples // 160

    def forward(self, features, lengths_B):
        return Frames(self.matrix(features), lengths_B)


def test_operations_are_counted_as_multiplications_and_additions():
    assert _operations(Known()) == pytest.approx(2 * 1000 * 160 * 8)
