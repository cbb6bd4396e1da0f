"""Are the samples good? Distances and scores that say what they compare, in plain NumPy.

A metric is a function of features ``real`` (N, D) and ``fake`` (M, D), given by name, so that none
can be swapped: :func:`precision` and :func:`recall` are each other's mirror. It computes in float64
and returns a number, an :class:`Estimate` where it is a mean over parts, or a record.

``evaluate`` runs metrics by name over a source of features, pixels, a classifier or any function in
a :class:`FeatureSource`, and puts beside each value that of real images against real ones: a value
means nothing without it.

    from minigan import metrics

    judge = metrics.train_classifier(train, test)
    for result in metrics.evaluate(real=real, fake=fake, held_out=held_out, source=judge):
        print(result.metric, result.value, result.real_value)

``import minigan`` does not import this package.
"""

from .checks import Estimate
from .classifier import Classifier, load_classifier, save_classifier, train_classifier
from .evaluation import (
    METRICS,
    PIXELS,
    FeatureSource,
    Metric,
    Result,
    Source,
    evaluate,
    evaluate_classification,
    evaluate_mixture,
)
from .frechet import frechet_distance, frechet_of_moments
from .kernel import kernel_distance
from .manifold import (
    Neighbours,
    coverage,
    density,
    nearest_distance,
    neighbours,
    precision,
    recall,
)
from .modes import Modes, label_modes, mixture_modes
from .scores import classification_accuracy, classifier_score
from .ssim import mean_similarity, ms_ssim
from .wasserstein import patch_wasserstein, sliced_wasserstein

__all__ = [
    "METRICS",
    "PIXELS",
    "Classifier",
    "Estimate",
    "FeatureSource",
    "Metric",
    "Modes",
    "Neighbours",
    "Result",
    "Source",
    "classification_accuracy",
    "classifier_score",
    "coverage",
    "density",
    "evaluate",
    "evaluate_classification",
    "evaluate_mixture",
    "frechet_distance",
    "frechet_of_moments",
    "kernel_distance",
    "label_modes",
    "load_classifier",
    "mean_similarity",
    "mixture_modes",
    "ms_ssim",
    "nearest_distance",
    "neighbours",
    "patch_wasserstein",
    "precision",
    "recall",
    "save_classifier",
    "sliced_wasserstein",
    "train_classifier",
]
