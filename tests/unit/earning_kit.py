"""What tests share of objectives that learn from the model's own replies."""

from typing import Any

import pytest

from ossicle.batch import Batch
from ossicle.chat import Conversation
from ossicle.models import Bundle
from ossicle.training.objectives import Seen, _earning
from ossicle.training.objectives._replies import Drawn


def seen_of(bundle: Bundle, *chats: Conversation) -> Seen:
    return Seen(bundle.model, Batch.pack([bundle.preparer()(one) for one in chats]), bundle.pad_id)


def fixed(patch: pytest.MonkeyPatch, bundle: Bundle, *groups: Any) -> None:
    """Have the replies to each prompt be these."""
    made = [Drawn(tuple(bundle.renderer.encode_text(text)), True) for texts in groups for text in texts]
    patch.setattr(_earning, "draw", lambda *_: made)
