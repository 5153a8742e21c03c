"""Which files' examples are not collected: those that need packages of an extra that is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("tf2onnx") else ["blocks/export/onnx_*.py"]
