"""Order numbers: each is used once, also over restarts."""

from pathlib import Path


class Orders:
    """A counter in a file of the data folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def next(self) -> str:
        """`order-1`, `order-2` and so on; written down before it is given out."""
        order, number = self.coming(), self._last() + 1
        self._path.write_text(f"{number}\n")
        return order

    def coming(self) -> str:
        """What `next` will give."""
        return f"order-{self._last() + 1}"

    def _last(self) -> int:
        text = self._path.read_text().strip() if self._path.is_file() else ""
        return int(text) if text.isdigit() else 0
