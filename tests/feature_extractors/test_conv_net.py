"""ConvNet: what augmentation does in training and not elsewhere, and which features it takes."""

import keras
import numpy as np
import pytest

from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP, ConvNet, Joined, Keras
from blocks.feature_extractors.image_augmentation import ImageAugmentation
from blocks.features.spec import Entry, Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (40, 8, 16, 3), dtype=np.uint8)
PHOTO = Entry("uint8", (8, 16, 3), (Feature("photo", ("photo",)),))
BOTH = FeatureSpec({**FeatureSpec.pack([Feature("age", ("age",))]), "photo": PHOTO})


def augmented(*names, images=IMAGES):
    return np.asarray(ImageAugmentation(names)(images.astype("float32"), training=True))


def test_half_of_the_images_are_flipped():
    found = augmented("flip")
    as_they_were = (found == IMAGES).all(axis=(1, 2, 3))
    turned = (found == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (as_they_were ^ turned).all()
    assert 10 < turned.sum() < 30


def test_crop_moves_by_an_eighth_and_mirrors_the_border():
    found = augmented("crop")
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (2, 2), (0, 0)), mode="reflect")
    shifts = [(top, left) for top in range(3) for left in range(5)]
    places = [
        [(top, left) for top, left in shifts if np.array_equal(one, of[top : top + 8, left : left + 16])]
        for one, of in zip(found, padded, strict=True)
    ]
    assert all(len(place) == 1 for place in places)
    assert len({place for (place,) in places}) > 10


def test_color_changes_values_and_no_places():
    found = augmented("color", images=np.full((40, 8, 8, 3), [200, 100, 50], "uint8"))
    assert (found == found[:, :1, :1]).all()
    assert len(np.unique(found[:, 0, 0], axis=0)) == 40
    assert found.min() >= 0
    assert found.max() <= 255


def test_cutout_greys_a_square():
    changed = (augmented("cutout", images=np.zeros((40, 8, 16, 1), "uint8")) == 127.5)[..., 0]
    assert changed.any(axis=(1, 2)).all()
    assert changed.any(axis=2).sum(axis=1).max() == 2
    assert changed.any(axis=1).sum(axis=1).max() == 4


def test_what_is_drawn_follows_the_seed_and_inference_draws_nothing():
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        found.append(augmented("flip", "crop", "color", "cutout"))
    assert np.array_equal(*found)
    layer = ImageAugmentation(["flip", "crop", "color", "cutout"])
    assert np.array_equal(layer(IMAGES, training=False), IMAGES)


def test_keras_layers_augment_too():
    block = ConvNet([2, 3], augment=["flip", keras.layers.RandAugment(num_ops=1)])
    twin = ConvNet.from_config(block.get_config())
    assert isinstance(twin.augment[1], dict)
    assert twin(IMAGES, training=True).shape == (40, 3)
    with pytest.raises(InvalidArgument, match=r"augment names flip, crop, color, cutout, or holds .* Received: 'spin'"):
        ConvNet(augment="spin")


def test_augmentation_changes_nothing_but_training():
    plain, moved = ConvNet([4, 6], augment=None), ConvNet([4, 6])
    plain(IMAGES), moved(IMAGES)
    assert moved.warm_start(plain) == []
    assert np.array_equal(plain(IMAGES), moved(IMAGES))
    assert not np.array_equal(plain(IMAGES, training=True), moved(IMAGES, training=True))


def test_alone_it_takes_one_image_and_in_joined_its_own():
    with pytest.raises(InvalidArgument, match=r"ConvNet takes one image and nothing else.*Joined\(\{'photo'"):
        ConvNet().bind(BOTH)
    joined = Joined({"photo": ConvNet([4, 6])}, rest=MLP([5]), spec=BOTH)
    found = joined({"photo": IMAGES, "numeric": np.ones((40, 1), "float32")})
    assert found.shape == (40, 11)
    alone = ConvNet([4, 6], spec=FeatureSpec({"photo": PHOTO}))
    alone({"photo": IMAGES})
    alone.set_weights(joined.parts[0].get_weights())
    np.testing.assert_allclose(alone({"photo": IMAGES}), found[:, :6], atol=1e-5)
    assert np.array_equal(alone(IMAGES[:0]), np.zeros((0, 6)))


def test_a_large_image_is_shrunk_first():
    assert ConvNet([2, 3])(np.zeros((1, 160, 160, 1), "uint8")).shape == (1, 3)
    assert ConvNet([2, 3], stem_stride=8, augment=None)(np.zeros((1, 16, 16, 1), "uint8")).shape == (1, 3)
    with pytest.raises(InvalidArgument, match="stem_stride is 1, 2, 4, 8 or None"):
        ConvNet(stem_stride=3)


def test_a_network_of_keras_applications_with_weights_from_a_file_frozen(tmp_path):
    def network():
        return keras.applications.MobileNetV3Small(
            (32, 32, 3), alpha=0.35, include_top=False, pooling="avg", weights=None, minimalistic=True
        )

    trained = network()
    trained.save_weights(tmp_path / "mobilenet.weights.h5")
    loaded = network()
    loaded.load_weights(tmp_path / "mobilenet.weights.h5")
    photo = Entry("uint8", (32, 32, 3), (Feature("photo", ("photo",)),))
    block = Keras(loaded, inputs="photo", pretrained=True, spec=FeatureSpec({"photo": photo}))
    block.trainable = False
    images = RANDOM.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    found = block({"photo": images})
    np.testing.assert_allclose(found, trained(images), atol=1e-5)
    assert block.trainable_weights == []
    twin = block.copy()
    np.testing.assert_allclose(twin({"photo": images}), found, atol=1e-5)
