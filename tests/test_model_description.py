"""What a model says of itself in a notebook; describe, summary and repr are tested where they are called."""

import re

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors


def test_a_notebook_shows_the_parts_escaped():
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([2]),
        classifiers.Softmax("<b>sold</b>"),
        [postprocessors.Labels()],
    )
    assert "<caption>Model, not adapted</caption>" in model._repr_html_()
    model.adapt({"x": [1.0, 2.0], "<b>sold</b>": ["no", "yes"]})
    shown = model._repr_html_()
    assert "<caption>Model, adapted, not fitted</caption>" in shown
    assert re.findall("<th>(.*?)</th>", shown) == [
        "preprocessor",
        "features",
        "feature extractor",
        "head",
        "postprocessor",
    ]
    assert "<td>numeric: float32 (batch, 1)</td>" in shown
    assert "<td>Softmax of &#x27;&lt;b&gt;sold&lt;/b&gt;&#x27;</td>" in shown
