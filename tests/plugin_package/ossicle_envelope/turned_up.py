"""An integration: the prompt, with sound as loud among the words as the model likes."""

from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn
from transformers import PreTrainedConfig

from ossicle.encoders.base import Options
from ossicle.models.integrations.base import Heard
from ossicle.models.integrations.prompt import Prompt


class TurnedUpOptions(Options):
    """Where the factor begins."""

    gain: float = 1.0


class TurnedUp(Prompt):
    """Audio tokens times one learnt factor."""

    Options = TurnedUpOptions

    def __init__(self, options: BaseModel, text_config: PreTrainedConfig) -> None:
        super().__init__(options, text_config)
        self.gain = nn.Parameter(torch.tensor(float(options.gain)))

    def join(self, model: Any, input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """As in the prompt."""
        if heard is not None:
            heard = heard._replace(tokens=heard.tokens._replace(x_BFD=heard.tokens.x_BFD * self.gain))
        return super().join(model, input_ids, heard, cache)
