"""Whose a model is, by its type: nothing is imported to tell. What arrays a plain function is fed with
says nothing, as functions of all frameworks are fed with NumPy's."""

VERBS = ("predict_proba", "decision_function", "predict")
"""What an estimator is asked, the first that it has."""
BOUND = (*VERBS, "predict_log_proba")
"""What may be wrapped by itself, as `estimator.decision_function`."""


def is_estimator(net: object) -> bool:
    """Whether it is an estimator as scikit-learn defines it, a pipeline or search of them included:
    XGBoost's and LightGBM's are too, whatever they derive from."""
    if isinstance(net, type):
        return False
    return all(callable(getattr(net, name, None)) for name in ("get_params", "fit", "predict"))


def verb_of(net: object) -> str | None:
    """The name of an estimator's method that was bound to it; None if it is none."""
    name = getattr(net, "__name__", None)
    return name if name in BOUND and is_estimator(getattr(net, "__self__", None)) else None


def is_session(net: object) -> bool:
    """Whether it is a session of ONNX Runtime's."""
    return any(
        kind.__module__.partition(".")[0] == "onnxruntime" and kind.__name__ == "InferenceSession"
        for kind in type(net).__mro__
    )
