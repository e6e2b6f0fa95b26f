"""What TensorFlow's modules, functions and variables are made of. Variables are the arguments of graphs:
which they are counts, not what they hold."""

import tensorflow as tf

from backlight.memory.reading import Reading, reads

BOOKKEEPING = frozenset(
    {"_name_scope", "_self_setattr_tracking", "_self_update_uid", "_self_name_based_restores"}
    | {"_self_saveable_object_factories", "_self_unconditional_checkpoint_dependencies"}
    | {"_self_unconditional_dependency_names", "_self_unconditional_deferred_dependencies"}
)
"""What TensorFlow keeps on a module to save it."""


def module(reading: Reading, found: tf.Module) -> None:
    reading.attributes(found, BOOKKEEPING)


def function(reading: Reading, found: tf.types.experimental.PolymorphicFunction) -> None:
    reading.parts(found.python_function)


reads(tf.Module, module)
reads(tf.types.experimental.PolymorphicFunction, function)
