"""Conversations, replies, and the one path from words and sound to token ids."""

from ossicle.chat.answerer import Answerer
from ossicle.chat.message import (
    Conversation,
    Delta,
    Message,
    Part,
    Reply,
    Role,
    Sampling,
    Usage,
    assistant,
    user,
)

__all__ = [
    "Answerer",
    "Conversation",
    "Delta",
    "Message",
    "Part",
    "Reply",
    "Role",
    "Sampling",
    "Usage",
    "assistant",
    "user",
]
