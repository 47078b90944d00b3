"""What the package promises by name is there, by the old import paths too; importing is quiet and needs no notebook."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import rga

WITH_ALL = [
    "rga",
    "rga.data",
    "rga.data.synthetic",
    "rga.metrics",
    "rga.models",
    "rga.plot",
    "rga.runs.recipes",
]

# Every public name of version 0.1, by the path that it was imported from before modules moved into rooms.
PROMISED = {
    "rga": """
        Embeddings Evaluation Log __version__ allocation capture checkpoint data embed evaluate export
        fit gradcam losses metrics models plot recipes runs schedule search
    """,
    "rga.losses": "batch_hard check_pairs hardest identity_loss pairwise_euclidean triplet_loss",
    "rga.schedule": "paper_schedule short_schedule",
    "rga.recipes": "Recipe cpu_has_bfloat16 fast named paper quick",
    "rga.metrics": """
        Calibration CameraPairs Deletion Interval MapScore Pairs PrecisionRecall ROC Ranking Threshold
        attended_cells attention_share calibrate chance_rank1 confidence_interval
        confidence_of_difference coverage delete_cells deletion_effect detail_share distance_rows
        elsewhere evaluate_camera_pairs evaluate_features evaluate_ranking evaluate_single_shot expand
        mean_precision_recall multi_query_features pairwise_distance pointing_game precision_recall
        rerank roc threshold_at verification_pairs
    """,
    "rga.models": """
        ATTENTION CBAM ChannelRGA FC NonLocal Output RGA ReIDModel RelationScore SE STAGES
        SimplifiedNonLocal SpatialRGA attach create_model load_released released_state_dict resize
    """,
    "rga.data": """
        Batch DATASETS ReIDDataset Sample Splits denormalise load network_input normalise read_image
        stack_images test_loader train_loader
    """,
    "rga.plot": """
        ROLES attention channels cmc curves difference explorer failures grad_cams histograms images
        intervals node position precision_recall rank_channels ranked_lists relation_maps relations roc
        roles rows strongest_images targets
    """,
    "rga.export": "Embedder Exported to_onnx to_torch",
    "rga.search": "Found Index build_index fingerprint load_index",
    "rga.runs": "report scored test train",
    "rga.checkpoint": "kept load_model restore save",
    "rga.gradcam": "grad_cam to_embedding to_identity",
    "rga.capture": "capture evaluating",
    "rga.allocation": "keep_memory",
    "rga.data.synthetic": "DETAILS Part draw_release load read_parts read_people",
    "rga.data.transforms": "Draw crop denormalise draw enlarged erase flip normalise resize",
    "rga.data.sampler": "PKSampler",
    "rga.data.core": "Sample Splits",
    "rga.data.doctor": "check examine",
}


@pytest.mark.parametrize("name", WITH_ALL)
def test_all_is_there(name):
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_every_promised_name_can_be_imported_as_before():
    """In a fresh interpreter, where no other import has prepared anything."""
    lines = [f"import {module}; {module}" for module in PROMISED]
    lines += [f"from {module} import {', '.join(names.split())}" for module, names in PROMISED.items()]
    subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(lines)], check=True)


def test_functions_are_not_hidden_by_modules_of_their_name():
    import rga.capture
    import rga.metrics.rerank
    import rga.models.attach
    import rga.models.resize

    for function in (rga.capture, rga.models.attach, rga.models.resize, rga.metrics.rerank, rga.plot.curves):
        assert callable(function)


def test_every_file_says_its_scope_in_one_sentence():
    for found in pkgutil.walk_packages(rga.__path__, "rga."):
        first = importlib.import_module(found.name).__doc__.splitlines()[0]
        assert first.endswith((".", "?")), f"{found.name}: {first}"


def test_importing_is_quiet_and_does_without_jupyter():
    code = "import sys, rga; print([m for m in ('IPython', 'papermill', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
