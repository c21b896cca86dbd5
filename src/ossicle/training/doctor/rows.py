"""Rows as the model reads them: is a reply trained, does it end, does the prompt begin the row, does it fit?"""

from collections.abc import Iterator, Sequence

from ossicle.batch import Row
from ossicle.chat import Conversation
from ossicle.models import Bundle
from ossicle.support.errors import OssicleError
from ossicle.training.doctor.finding import Finding

MANY_UNKNOWN = 0.01


def of_rows(bundle: Bundle, chats: Sequence[Conversation], where: str) -> Iterator[Finding]:
    """What is to be said of the rows of one stage."""
    prepare = bundle.preparer()
    rows: list[Row] = []
    broken: list[str] = []
    for chat in chats:
        try:
            rows.append(prepare(chat))
        except OssicleError as error:
            broken.append(str(error))
    if broken:
        yield Finding("rows", "fault", f"{where}: {broken[0]} ({len(broken)} of {len(chats)} rows)")
    if not rows:
        return
    wrong = [*_mask(bundle, rows, where), *_template(bundle, chats, rows, where), *_fit(bundle, rows, where)]
    yield from wrong
    if not wrong and not broken:
        tokens, sound, trained = (
            sum(map(count, rows)) / len(rows)
            for count in (lambda row: len(row.ids), lambda row: sum(row.audio_tokens), lambda row: sum(row.trained))
        )
        yield Finding(
            "rows", "good", f"{where}: {tokens:.0f} tokens a row, {sound:.0f} of them sound, {trained:.0f} trained"
        )


def _mask(bundle: Bundle, rows: Sequence[Row], where: str) -> Iterator[Finding]:
    bare = sum(not any(row.trained) for row in rows)
    if bare:
        yield Finding(
            "rows",
            "fault",
            f"{where}: {bare} of {len(rows)} rows have no trained token, as they hold no reply; "
            "give each a last message with role assistant and words in it.",
        )
    ends = bundle.renderer.end_ids
    last = [
        next((i for i, trained in zip(row.ids[::-1], row.trained[::-1], strict=True) if trained), None) for row in rows
    ]
    endless = sum(token is not None and token not in ends for token in last)
    if endless:
        yield Finding(
            "rows",
            "fault",
            f"{where}: {endless} of {len(rows)} replies end in no token that stops one, so the model would learn to "
            "talk on; use a chat template that ends the assistant's turn with a control token.",
        )


def _template(bundle: Bundle, chats: Sequence[Conversation], rows: Sequence[Row], where: str) -> Iterator[Finding]:
    tokenizer = bundle.tokenizer
    begin = tokenizer.bos_token_id
    if begin is not None and any(row.ids[:2] == (begin, begin) for row in rows):
        yield Finding(
            "rows",
            "fault",
            f"{where}: rows begin with {tokenizer.bos_token!r} twice, which the language model has never seen; "
            "take it out of the chat template.",
        )
    asked = [chat for chat in chats if chat.prompt is not chat]
    for chat in asked[:8]:
        whole, prompt = bundle.renderer(chat).ids, bundle.renderer(chat.prompt, reply=True).ids
        if whole[: len(prompt)] != prompt:
            yield Finding(
                "rows",
                "fault",
                f"{where}: what the model is asked is not how the trained row begins, so it would be trained on one "
                "thing and asked another; mend add_generation_prompt in the chat template.",
            )
            break
    unknown = tokenizer.unk_token_id
    if unknown is not None:
        share = sum(row.ids.count(unknown) for row in rows) / sum(len(row.ids) for row in rows)
        if share > MANY_UNKNOWN:
            yield Finding(
                "rows",
                "doubt",
                f"{where}: {share:.0%} of the tokens are {tokenizer.unk_token!r}: this tokenizer does not know the "
                "script or marks of these texts; choose another language model or spell them otherwise.",
            )


def _fit(bundle: Bundle, rows: Sequence[Row], where: str) -> Iterator[Finding]:
    most = getattr(bundle.model.config.text_config, "max_position_embeddings", None)
    long = [len(row.ids) for row in rows if most is not None and len(row.ids) > most]
    if long:
        yield Finding(
            "rows",
            "fault",
            f"{where}: {len(long)} of {len(rows)} rows have more tokens (up to {max(long)}) than the language model "
            f"has positions ({most}); shorten recordings, or use a projector that gives fewer tokens.",
        )
