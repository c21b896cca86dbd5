"""Several processes that train together, forked from the tests' own, which has imported all they need."""

import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

import torch

PATIENCE_S = 120


def together(size: int, do: Callable[[int], None]) -> list[int]:
    """What ``do`` of its number ends with in each of so many processes, as ``os.waitpid`` says it.

    Once one of them is gone otherwise than well, the others are killed, as ``torchrun`` does.
    """
    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [_forked(rank, size, port, do) for rank in range(size)]
    ended: dict[int, int] = {}
    last = time.monotonic() + PATIENCE_S
    while len(ended) < size:
        for child in set(children) - set(ended):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                ended[child] = status
        if any(ended.values()) or time.monotonic() > last:
            for child in set(children) - set(ended):
                os.kill(child, signal.SIGKILL)
                ended[child] = os.waitpid(child, 0)[1]
        time.sleep(0.005)
    return [ended[child] for child in children]


def _forked(rank: int, size: int, port: int, do: Callable[[int], None]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with suppress(BaseException):
        try:
            do(rank)
            status = 0
        except BaseException:
            traceback.print_exc()
    os._exit(status)
