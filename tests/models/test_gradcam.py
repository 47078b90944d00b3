"""Grad-CAM: equal to what can be computed by hand, and the model is left as it was found."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rga.models import Output, create_model
from rga.models.gradcam import grad_cam, to_embedding, to_identity


class Tiny(nn.Module):
    """Channels, pooled, classified: there Grad-CAM is the class activation map divided by the number of positions."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.activation = nn.ReLU(inplace=True)
        self.neck = nn.BatchNorm1d(5)
        self.classifier = nn.Linear(5, 4, bias=False)

    def forward(self, images):
        feature = self.activation(self.features(images)).mean((2, 3))
        embedding = self.neck(feature)
        return Output(feature, embedding, self.classifier(embedding))


@pytest.fixture
def model():
    return Tiny()


@pytest.fixture(scope="module")
def images():
    return torch.randn(6, 3, 8, 4, generator=torch.Generator().manual_seed(1))


def by_hand(model, images, pids):
    values = F.relu(model.features(images))
    alpha = model.classifier.weight[pids] / (1 + model.neck.eps) ** 0.5 / values[0, 0].numel()
    return F.relu(torch.einsum("bk,bkhw->bhw", alpha, values)).detach()


def test_equals_the_class_activation_map(model, images):
    pids = torch.tensor([0, 1, 2, 3, 0, 1])
    maps = grad_cam(model, images, "activation", to_identity(pids))
    assert maps.shape == (6, 4, 2) and maps.dtype == torch.float32 and (maps >= 0).all() and maps.any()
    torch.testing.assert_close(maps, by_hand(model, images, pids))
    predicted = model.eval()(images).logits.argmax(1)
    torch.testing.assert_close(
        grad_cam(model, images, "activation", to_identity()), by_hand(model, images, predicted)
    )


def test_a_layer_that_is_overwritten_in_place_keeps_its_values(model, images):
    pids = torch.zeros(6, dtype=torch.int64)
    values = model.features(images).detach()
    weight = model.classifier.weight[0] / (1 + model.neck.eps) ** 0.5 / values[0, 0].numel()
    alpha = weight[:, None, None] * (values > 0).float().mean((2, 3), keepdim=True)
    expected = F.relu((alpha * values).sum(1)).detach()
    torch.testing.assert_close(grad_cam(model, images, "features", to_identity(pids)), expected)


def test_similarity_is_to_one_or_to_each(model, images):
    embedding = model.eval()(images).embedding
    each = grad_cam(model, images, "features", to_embedding(embedding[[0] * 6]))
    torch.testing.assert_close(each, grad_cam(model, images, "features", to_embedding(embedding[:1])))
    # Nothing raises the similarity to itself, it is the highest already.
    itself = grad_cam(model, images, "features", to_embedding(embedding))
    assert itself.max() < 1e-6 < each[1:].max()


def test_leaves_modes_gradients_and_statistics_as_they_were(model, images):
    model.train()
    model.neck.eval()
    model.classifier.weight.grad = torch.ones(4, 5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grad_cam(model, images, "features", to_identity())
    with pytest.raises(ZeroDivisionError):
        grad_cam(model, images, "features", lambda output: 1 / 0)
    assert model.training and model.features.training and not model.neck.training
    assert model.features.weight.grad is None and (model.classifier.weight.grad == 1).all()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.features._forward_hooks


def test_frozen_models_and_no_grad_are_no_obstacle(model, images):
    expected = grad_cam(model, images, "features", to_identity())
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(model.train(), images, "features", to_identity()), expected)
    model.requires_grad_(False)
    torch.testing.assert_close(grad_cam(model, images, "features", to_identity()), expected)


@pytest.mark.parametrize("attention", ["none", "rga_sc", "non_local"])
def test_real_networks_image_by_image_and_in_channels_last(attention):
    torch.manual_seed(0)
    model, images = create_model("resnet18", attention, num_pids=3, size=(64, 32)), torch.randn(2, 3, 64, 32)
    maps = grad_cam(model, images, "backbone.layer3", to_identity())
    assert maps.shape == (2, 4, 2) and maps.any()
    torch.testing.assert_close(maps[:1], grad_cam(model, images[:1], "backbone.layer3", to_identity()))
    model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        maps, grad_cam(model, images, "backbone.layer3", to_identity()), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(
    ("layer", "target", "message"),
    [
        ("layer9", to_identity(), "no submodule is called 'layer9': choose one of features"),
        ("neck", to_identity(), r"'neck' outputs \(6, 5\): Grad-CAM needs a map"),
        ("", to_identity(), "outputs Output: Grad-CAM needs a map"),
        ("features", lambda output: output.logits, r"one score per image \(6,\), got \(6, 4\)"),
        ("features", lambda output: torch.ones(6), "the target does not depend on 'features'"),
        (
            "features",
            lambda output: output.logits.sum(1).detach(),
            "the target does not depend on 'features'",
        ),
    ],
)
def test_what_has_no_map_is_refused(model, images, layer, target, message):
    with pytest.raises(ValueError, match=message):
        grad_cam(model, images, layer, target)
    assert not any(module._forward_hooks for module in model.modules())
