"""One model's server, a process of its own: ``python -m autoheal.demo.model_server --model M --registry DIR --port P``.

Speaks the protocol of model servers (docs/gateway.md): any version of the registry by name, loaded when it is first
asked for and only after its artefact's hash was checked. A row with missing values is answered all the same, as real
services do: that is why somebody must watch them.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import BaseModel

from autoheal.actions.targets.registry import Registry
from autoheal.demo import estimator
from autoheal.demo.estimator import Estimator, StandIn
from autoheal.errors import ActionError

_LOG = logging.getLogger(__name__)


class Request(BaseModel):
    rows: list[dict[str, Any]]


class Shelf:
    """Versions in memory, each loaded once."""

    def __init__(self, registry: Registry, model: str) -> None:
        self._registry = registry
        self._model = model
        self._loaded: dict[str, Estimator | StandIn] = {}

    def get(self, version: str) -> Estimator | StandIn:
        """Raises ActionError for a version that does not exist or whose artefact was tampered with."""
        if version not in self._loaded:
            self._loaded[version] = estimator.load(self._registry.artefact(self._model, version))
        return self._loaded[version]


def create_app(registry: Registry, model: str) -> FastAPI:
    shelf, metrics = Shelf(registry, model), CollectorRegistry()
    answered = Counter("predictions_total", "Rows answered", ["version"], registry=metrics)
    seconds = Histogram("predict_seconds", "Time to answer one request", registry=metrics)
    app = FastAPI(title=f"model server of {model}")

    @app.post("/versions/{version}/predict")
    async def predict(version: str, request: Request) -> dict[str, object]:
        try:
            with seconds.time():
                found = await asyncio.to_thread(shelf.get, version)
                predictions, scores = await asyncio.to_thread(found.predict, request.rows)
        except ActionError as error:
            raise HTTPException(404, str(error)) from error
        except (TypeError, ValueError) as error:
            raise HTTPException(422, f"these rows cannot be scored: {error}") from error
        answered.labels(version).inc(len(predictions))
        return {"predictions": predictions, "scores": scores}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "model": model}

    @app.get("/metrics")
    async def page() -> Response:
        return Response(generate_latest(metrics), media_type="text/plain; version=0.0.4")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--registry", required=True, type=Path)
    parser.add_argument("--port", required=True, type=int)
    args = parser.parse_args()
    app = create_app(Registry(args.registry), args.model)
    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
