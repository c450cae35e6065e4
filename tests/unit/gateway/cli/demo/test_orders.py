"""Order numbers over restarts."""

from pathlib import Path

from gateway.cli.demo.orders import Orders


def test_each_number_is_given_once_also_after_a_restart(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "orders")
    assert [orders.coming(), orders.next(), orders.next()] == ["order-1", "order-1", "order-2"]
    assert Orders(tmp_path / "orders").next() == "order-3"


def test_a_damaged_counter_begins_again(tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("many\n")
    assert Orders(tmp_path / "orders").next() == "order-1"
