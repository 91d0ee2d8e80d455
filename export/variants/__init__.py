"""The same step in fewer bytes: made from the finished graph, then judged on held-out text."""

from collections.abc import Callable, Mapping

import onnx

from export.variants.half import with_half_weights
from export.variants.products import write_int4_product, write_int8_product
from export.variants.rewrite import rewrite
from export.variants.tables import write_table


def _int8(step: onnx.ModelProto) -> onnx.ModelProto:
    return rewrite(step, [write_int8_product, write_table])


def _int4(step: onnx.ModelProto) -> onnx.ModelProto:
    return rewrite(step, [write_int4_product, write_int8_product, write_table])


VARIANTS: Mapping[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "fp16": with_half_weights,
    "int8": _int8,
    "int4": _int4,
}
"""What makes each variant from the step in fp32, which every bundle has."""

LIMITS: Mapping[str, float] = {"fp16": 1e-6, "int8": 1e-3, "int4": 1e-2}
"""Mean KL divergence from fp32 above which a variant is refused, nats."""
