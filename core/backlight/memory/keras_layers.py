"""Keras's layers, on whichever backend, told without importing it; and what of a layer does not change
what it computes at inference."""

import sys

IGNORED = frozenset(
    # of any layer
    {"_allow_non_tensor_positional_args", "_auto_config", "_build_shapes_dict", "_call_context_args"}
    | {"_call_has_context_arg", "_call_has_mask_arg", "_call_has_training_arg", "_call_signature"}
    | {"_called", "_convert_input_args", "_inbound_nodes", "_input_spec", "_lock", "_loss_ids"}
    | {"_losses", "_losses_override", "_metrics", "_outbound_nodes", "_remat_mode"}
    | {"_saved_model_arg_spec", "_saved_model_inputs_spec", "_seed_generators"}
    | {"_self_setattr_tracking", "_self_name_based_restores", "_self_saveable_object_factories"}
    | {"_self_unconditional_checkpoint_dependencies", "_self_unconditional_dependency_names"}
    | {"_self_unconditional_deferred_dependencies", "_self_update_uid", "_supports_masking"}
    | {"_tracked", "_tracker", "_trainable", "build", "built", "call_signature_parameters"}
    | {"quantize", "supports_jit", "training"}
    # of its weights, as they are made and trained
    | {f"{weight}_{role}" for weight in ("kernel", "bias", "gamma", "beta", "embeddings")
       for role in ("initializer", "regularizer", "constraint")}
    | {"activity_regularizer", "moving_mean_initializer", "moving_variance_initializer"}
    # of a model that is compiled, trained and evaluated
    | {"_compile_config", "_compile_loss", "_compile_metrics", "_compiled_trainable_state"}
    | {"_compute_loss_has_training_arg", "_distribute_strategy", "_eval_epoch_iterator"}
    | {"_initial_epoch", "_jax_state", "_jax_state_synced", "_jit_compile", "_loss_tracker"}
    | {"_optimizer", "_run_eagerly", "compiled", "history", "loss", "optimizer"}
    | {"predict_function", "steps_per_execution", "stop_evaluating", "stop_predicting"}
    | {"stop_training", "test_function", "train_function", "unrolled_steps_per_execution"}
    # of a graph of layers, which are read by themselves
    | {"_inputs", "_inputs_struct", "_nodes", "_nodes_by_depth", "_operations_by_depth"}
    | {"_outputs", "_outputs_struct", "_input_tensor"}
)  # fmt: skip
"""The names of attributes that do not count."""


def is_keras(net: object) -> bool:
    """Whether this is a layer or model of Keras, on any of its backends."""
    layer = getattr(sys.modules.get("keras"), "Layer", None)
    return isinstance(layer, type) and isinstance(net, layer)


def keras_backend() -> str:
    """What Keras runs on; only of an imported Keras."""
    return str(sys.modules["keras"].backend.backend())


def is_layer(kind: type) -> bool:
    """Whether it is a kind of layer, or of operation in a graph of layers."""
    operation = getattr(sys.modules.get("keras"), "Operation", None)
    return operation is not None and issubclass(kind, operation)


def is_variable(kind: type) -> bool:
    variable = getattr(sys.modules.get("keras"), "Variable", None)
    return variable is not None and issubclass(kind, variable)
