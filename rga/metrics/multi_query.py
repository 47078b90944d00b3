"""Multi-query: the mean feature of several images of a person is the query."""

import numpy as np
import torch
from torch import Tensor

from rga.metrics.inputs import Ids, as_ids


def multi_query_features(features: Tensor, pids: Ids, camids: Ids, q_pids: Ids, q_camids: Ids) -> Tensor:
    """Mean feature of all images of each query's person under the query's camera: (N, F) -> (Q, F).

    features, pids, camids: of the N images, such as `Splits.multi_query`. q_pids, q_camids: (Q,). The mean is of the
    features as they are (Zheng et al., ICCV 2015, average pooling), in float32 at least. Raises ValueError for ids that
    do not fit, and for a query without images.
    """
    pids, camids, q_pids, q_camids = (as_ids(x) for x in (pids, camids, q_pids, q_camids))
    if features.ndim != 2 or not len(features) == len(pids) == len(camids) or len(q_pids) != len(q_camids):
        raise ValueError(
            f"expected features (N, F), N pids and camids, and as many of the queries' pids as camids, got "
            f"{tuple(features.shape)}, {len(pids)} and {len(camids)}, {len(q_pids)} and {len(q_camids)}."
        )
    who = np.stack([np.concatenate([pids, q_pids]), np.concatenate([camids, q_camids])])
    pairs, pair = np.unique(who, axis=1, return_inverse=True)
    pair = pair.reshape(-1)  # NumPy 2.0 gives it a second axis
    count = np.bincount(pair[: len(pids)], minlength=pairs.shape[1])
    asked = pair[len(pids) :]
    if (alone := np.flatnonzero(count[asked] == 0)).size:
        raise ValueError(
            f"{len(alone)} of {len(asked)} queries have no image of the same pid and camid to average, the first pid "
            f"{q_pids[alone[0]]} of camera {q_camids[alone[0]]}: leave these queries out, or add their own images."
        )
    pair, asked, count = (torch.from_numpy(x).to(features.device) for x in (pair, asked, count))
    features = features.to(torch.promote_types(features.dtype, torch.float32))  # sums of float16 overflow
    sums = features.new_zeros(len(count), features.shape[1]).index_add(0, pair[: len(pids)], features)
    return sums[asked] / count[asked, None]
