"""Several processes for a test, as torchrun starts them: each runs one function and sends back its result."""

import multiprocessing
import os
import pickle
import socket
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch

from rga.device import distributed

# A fork server that has imported torch: a process starts in one second instead of several, and no thread of pytest's
# is copied.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["rga", "rga.runs"])


def start(function, *args):
    """A process that runs function(*args) with one thread."""
    process = CONTEXT.Process(target=_with_one_thread, args=(function, *args))
    process.start()
    return process


def _with_one_thread(function, *args):
    torch.set_num_threads(1)
    return function(*args)


def together(function, *args, world=2):
    """[function(*args) of rank 0, of rank 1, …], in one process group as torchrun makes it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # One task a process: a rank that fails exits, and those that wait for it fail, too.
    with ProcessPoolExecutor(world, CONTEXT, max_tasks_per_child=1) as pool:
        member = _with_one_thread, _member, world, port, function, args
        results = [pool.submit(*member, rank) for rank in range(world)]
        for result in as_completed(results):
            result.result()  # raises the error of the rank that failed first
        return [pickle.loads(result.result()) for result in results]


def _member(world, port, function, args, rank):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with distributed.init_distributed():
        return pickle.dumps(function(*args))  # by value: shared memory goes with the process
