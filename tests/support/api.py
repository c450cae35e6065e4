"""A client of the HTTP API for tests that see the system from outside."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.ledger import Settled


class Api:
    """One base URL and one API key; methods raise httpx.HTTPStatusError unless they return the response."""

    def __init__(self, url: str, key: str, timeout_seconds: float = 20.0) -> None:
        headers = {"authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connections."""
        self.http.close()

    def publish(self, event: dict[str, Any], **headers: str) -> httpx.Response:
        """POST /v1/events, whatever the answer."""
        return self.http.post("/v1/events", json=event, headers=headers)

    def publish_batch(self, events: list[dict[str, Any]], key: str | None = None) -> dict[str, Any]:
        """POST /v1/events/batch; its result."""
        headers = {"idempotency-key": key} if key else {}
        result: dict[str, Any] = self._json(self.http.post("/v1/events/batch", json=events, headers=headers))
        return result

    def create_subscriber(self, subscriber_id: str, *endpoints: dict[str, Any]) -> list[dict[str, Any]]:
        """An internal subscriber with endpoints; these as answered, with their secrets."""
        body = {"id": subscriber_id, "kind": "internal", "endpoints": list(endpoints)}
        created: list[dict[str, Any]] = self._json(self.http.post("/v1/subscribers", json=body))["endpoints"]
        return created

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON at a path."""
        return self._json(self.http.get(path, params=parameters))

    def post(self, path: str, body: Any = None) -> httpx.Response:
        """POST, whatever the answer."""
        return self.http.post(path, json=body if body is not None else {})

    def pages(self, path: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every item of a listing, page by page of 200."""
        parameters = {"limit": 200, **filters}
        while True:
            page = self.get(path, **parameters)
            yield from page["data"]
            if not page.get("next"):
                return
            parameters["cursor"] = page["next"]

    def settled(self, names: dict[str, str], **filters: Any) -> list[Settled]:
        """Every delivery, as the ledger compares it; `names` maps endpoint ids to the sink's names."""
        return [
            Settled(item["event"], names[item["endpoint"]], item["status"])
            for item in self.pages("/v1/deliveries", **filters)
            if item["endpoint"] in names
        ]

    def metrics(self) -> dict[str, float]:
        """Sum of the samples of each metric name of /metrics."""
        sums: dict[str, float] = {}
        for line in self.http.get("/metrics").raise_for_status().text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    @staticmethod
    def _json(response: httpx.Response) -> Any:
        if response.is_error:
            raise httpx.HTTPStatusError(response.text, request=response.request, response=response)
        return response.json()
