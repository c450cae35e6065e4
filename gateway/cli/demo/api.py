"""A client of the gateway's HTTP API, as a shop or an operator would have one."""

from types import TracebackType
from typing import Any, Self

import httpx

SECONDS = 10.0


class ApiFailed(Exception):
    """The API did not do what was asked; the text says what and why."""

    code = "api_failed"


class Api:
    """One gateway, one key; to be used as a context."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: str | int) -> Any:
        """The answer's JSON. Raises ApiFailed."""
        return _json(await self._send("GET", path, params=query))

    async def find(self, path: str) -> Any | None:
        """The answer's JSON, or None for 404. Raises ApiFailed."""
        answer = await self._send("GET", path)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _json(answer)

    async def post(self, path: str, body: Any = None) -> Any:
        """The answer's JSON. Raises ApiFailed."""
        return _json(await self._send("POST", path, json={} if body is None else body))

    async def put(self, path: str, body: Any) -> Any:
        """The answer's JSON. Raises ApiFailed."""
        return _json(await self._send("PUT", path, json=body))

    async def delete(self, path: str) -> bool:
        """Whether there was something to delete. Raises ApiFailed."""
        answer = await self._send("DELETE", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        _json(answer)
        return True

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise ApiFailed(f"{method} {path}: no answer ({error!r})") from None


def _json(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    request = answer.request
    raise ApiFailed(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:300]}")
