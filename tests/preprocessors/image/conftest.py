"""Makes `encoded_images` importable."""

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("encoded_images", Path(__file__).with_name("encoded_images.py"))
encoded_images = importlib.util.module_from_spec(_spec)
sys.modules["encoded_images"] = encoded_images
_spec.loader.exec_module(encoded_images)
