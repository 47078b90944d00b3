"""All that a seed decides, from drawing people to a confidence interval: run twice, it has to give the same bits."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from helpers.small_network import SIZE, network

import rga
from rga.drawn_people.release import draw_release
from rga.metrics import confidence_interval, rerank


def digest(*contents):
    return hashlib.sha256(b"".join(contents)).hexdigest()


def bits(tensors):
    return digest(*(np.ascontiguousarray(tensor.detach().numpy()).tobytes() for tensor in tensors))


def everything(folder):
    """{what: digest of its bits, or numbers}; `folder` must not exist."""
    root = draw_release(folder, identities=(3, 2), images_per_camera=2, workers=1)
    drawn = digest(*(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()))
    splits = rga.data.load("cuhk03", root)
    model = network(num_pids=splits.num_pids)
    first = bits(model.state_dict().values())
    logs = list(rga.fit(model, splits.train, epochs=3, p=3, k=2, lr=3e-4))
    result = rga.evaluate(model, splits)
    features = result.query.embedding, result.gallery.embedding
    interval = confidence_interval(result.embedding, result.query.pids)
    return {
        "drawn people": drawn,
        "first weights": first,
        "losses": [log.loss for log in logs],
        "weights": bits(model.state_dict().values()),
        "features": bits(features),
        "scores": [result.embedding.mAP, result.embedding.mINP, *result.embedding.cmc.tolist()],
        "re-ranked": bits([torch.as_tensor(rerank(*features, k1=4, k2=2))]),
        "interval": [interval.value, interval.low, interval.high],
        "images": bits(rga.data.stack_images([sample.path for sample in splits.query], SIZE)),
    }


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    print(json.dumps(everything(Path(sys.argv[1]))))
