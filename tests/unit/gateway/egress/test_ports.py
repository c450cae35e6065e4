import pytest

from gateway.egress import ports


@pytest.mark.parametrize("port", [22, 25, 445, 3306, 5432, 6379, 6380, 6667, 11211, 27017])
def test_line_protocols_are_denied(port: int) -> None:
    assert port in ports.DENIED


@pytest.mark.parametrize("port", [80, 443, 3000, 5000, 8000, 8080, 8443, 9000, 18080])
def test_usual_ports_of_web_servers_are_not_denied(port: int) -> None:
    assert port not in ports.DENIED


def test_no_ephemeral_port_is_denied() -> None:
    assert max(ports.DENIED) < 32_768
