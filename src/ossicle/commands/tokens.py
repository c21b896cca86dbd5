"""``ossicle show --tokens``: a conversation as the ids that training, generation and serving all see."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ossicle.chat import Conversation
    from ossicle.chat.renderer import Renderer
    from ossicle.data.mixture import Mixture
    from ossicle.training import Recipe

_TEXTS = 2000


def show_model_tokens(ref: str) -> None:
    """An example conversation in the ids of a model folder. Raises ModelError."""
    import numpy as np

    from ossicle.audio import Audio
    from ossicle.chat import Conversation, assistant, user

    renderer = _renderer_of({"base": ref})
    sound = Audio.from_samples(np.zeros(2 * 16_000, np.float32), 16_000, name="2 s of sound")
    print_tokens(renderer, Conversation.of(user(sound, "What is this sound?"), assistant("A dog barking.")))


def _renderer_of(model: Mapping[str, Any]) -> "Renderer":
    """As a trained model (``base``) renders. Raises ModelError."""
    from ossicle.chat.renderer import Renderer
    from ossicle.models.build import read_tokenizer
    from ossicle.models.folders import model_folder
    from ossicle.models.parts import parts_of_base

    config, parts = parts_of_base(model)
    tokenizer = read_tokenizer(model_folder(model["base"], weights=False))
    token = tokenizer.convert_ids_to_tokens(config.audio_token_id)
    return Renderer(tokenizer, parts.placeholders(), audio_token=token, around=config.audio_around)


def show_recipe_tokens(recipe: "Recipe") -> None:
    """The first row of a recipe's data. Raises what reading that row raises."""
    from ossicle.data import make_mixture
    from ossicle.data.keys import key_of

    stage = recipe.stages[0]
    mixture = make_mixture(stage.data, f"stages.{stage.name}.data", seed=key_of(recipe.seed, stage.name))
    renderer = _renderer_of(recipe.model) if "base" in recipe.model else _renderer_of_parts(recipe, mixture)
    print_tokens(renderer, mixture.rows(mixture.place(0))[0])


def _renderer_of_parts(recipe: "Recipe", mixture: "Mixture") -> "Renderer":
    from transformers import AutoTokenizer

    from ossicle.chat.renderer import Renderer
    from ossicle.chat.tokenizer import AUDIO, TokenizerSpec, train_tokenizer
    from ossicle.commands.answering import note
    from ossicle.models.parts import parts_of_spec

    if "id" in recipe.model["language_model"]:
        tokenizer = AutoTokenizer.from_pretrained(recipe.model["language_model"]["id"], trust_remote_code=False)
        tokenizer.add_special_tokens({"additional_special_tokens": [AUDIO]})
    else:
        texts = itertools.islice(mixture.texts(_TEXTS), _TEXTS)
        tokenizer = train_tokenizer(texts, TokenizerSpec(**recipe.model.get("tokenizer", {})))
        note(f"the tokenizer of this picture is made from up to {_TEXTS:,} texts; that of the run from all.")
    return Renderer(tokenizer, parts_of_spec(recipe.model).placeholders())


def print_tokens(renderer: "Renderer", chat: "Conversation") -> None:
    """Ids and their text, wrapped: trained ones in brackets (and green), runs of audio as one item."""
    from rich.console import Console
    from rich.text import Text

    rendered = renderer(chat)
    slots = {slot.start: slot for slot in rendered.slots}
    line = Text()
    at = 0
    while at < len(rendered.ids):
        token = rendered.ids[at]
        if at in slots:
            audio, num_tokens = chat.audios[slots[at].audio], slots[at].num_tokens
            line.append(
                f"{renderer.audio_token}:{token} × {num_tokens} ({audio.name}, {audio.duration_s:.2f} s) ", "cyan"
            )
            at += num_tokens
            continue
        shown, style = _shown(renderer, token)
        line.append(f"[{shown}] " if rendered.trained[at] else f"{shown} ", "green" if rendered.trained[at] else style)
        at += 1
    console = Console(highlight=False)
    console.print(line)
    num_audio = sum(slot.num_tokens for slot in rendered.slots)
    console.print(f"{len(rendered.ids)} tokens: {num_audio} audio, {sum(rendered.trained)} trained (in brackets)")


def _shown(renderer: "Renderer", token: int) -> tuple[str, str]:
    """A token's text with its id, and the style of its kind."""
    tokenizer = renderer.tokenizer
    if token in tokenizer.all_special_ids:
        return f"{tokenizer.convert_ids_to_tokens(token)}:{token}", "dim"
    return f"{tokenizer.decode([token])!r}:{token}", ""
