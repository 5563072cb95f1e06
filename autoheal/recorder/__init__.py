"""The recorder: what a model service puts into its own process to tell autoheal what it answered.

``Recorder`` is the plain object (with ``predicts``, a decorator), ``RecorderMiddleware`` wraps an ASGI service. Nothing
here imports the rest of autoheal, and importing it loads the standard library's smallest parts only; what sends is
loaded by the first thing that is sent, in the background.
"""

from autoheal.recorder.asgi import Exchange, RecorderMiddleware
from autoheal.recorder.recorder import Recorder, Stats

__all__ = ["Exchange", "Recorder", "RecorderMiddleware", "Stats"]
