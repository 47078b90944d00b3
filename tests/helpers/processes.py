"""Several processes for a test: each runs one function and gives back what it returns."""

import multiprocessing
import os
import pickle
import socket
import traceback

# A server that has imported torch forks the processes: a second instead of several for each, and no thread of pytest's
# is copied.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["rga", "rga.runs"])


def start(function, *args):
    """A process that runs function(*args) with one thread."""
    process = CONTEXT.Process(target=_quietly, args=(function, args))
    process.start()
    return process


def _quietly(function, args):
    import torch

    torch.set_num_threads(1)
    function(*args)


def together(function, *args, world=2):
    """[function(*args) of process 0, of process 1, …], joined as torchrun joins them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers = CONTEXT.SimpleQueue()
    processes = [start(_member, rank, world, port, answers, function, args) for rank in range(world)]
    found = dict(answers.get() for _ in range(world))
    for process in processes:
        process.join()
    for rank in range(world):
        assert found[rank][1] is None, f"process {rank}:\n{found[rank][1]}"
    return [pickle.loads(found[rank][0]) for rank in range(world)]


def _member(rank, world, port, answers, function, args):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from rga.device import distributed

    try:
        with distributed.init_distributed():
            answer = pickle.dumps(function(*args)), None  # by value: its memory goes with the process
    except Exception:
        answer = None, traceback.format_exc()
    answers.put((rank, answer))
