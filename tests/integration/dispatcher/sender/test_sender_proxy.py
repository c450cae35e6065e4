"""A whole system whose only way out is a proxy with a password, which also resolves the receivers' names."""

import base64
from pathlib import Path

from tests.support.process import Process
from tests.support.sink_process import SinkProcess
from tests.support.system import System

EVENTS = 20
PASSWORD = "s3cret-pass"
CREDENTIALS = "Basic " + base64.b64encode(f"hookline:{PASSWORD}".encode()).decode()


def test_everything_goes_through_it_and_both_processes_and_the_doctor_say_so(tmp_path: Path) -> None:
    proxy = Process("proxy", ["tests.support.connect_proxy", CREDENTIALS, "receiver.test", "127.0.0.1"], tmp_path)
    proxy.start()
    try:
        port = proxy.first_json()["port"]
        settings = {
            "HOOKLINE_EGRESS_PROXY": f"http://hookline:{PASSWORD}@127.0.0.1:{port}",
            "HOOKLINE_EGRESS_PROXY_CHECKS": "proxy",
            "HOOKLINE_EGRESS_ALLOW": "",
        }
        with SinkProcess(tmp_path) as sink, System(tmp_path, settings=settings) as system:
            url = sink.url("pay").replace("127.0.0.1", "receiver.test")
            refused = system.api.post("/v1/subscribers", {"id": "x", "kind": "internal", "endpoints": [
                {"url": sink.url("pay")}
            ]})  # fmt: skip
            assert refused.status_code == 422, "a literal private address is refused whoever checks names"
            system.api.create_subscriber("receivers", {"url": url})
            for number in range(EVENTS):
                system.api.publish({"type": "order.placed", "data": {"n": number}}).raise_for_status()
            sink.wait_received(EVENTS, 20)
            doctor = system.command("doctor")
            said = f"attempts go through the proxy 127.0.0.1:{port}, which resolves names"
            logs = {name: system.log(name) for name in ("gateway", "dispatcher-0")}
            for text in (*logs.values(), doctor.stdout):
                assert said in " ".join(text.split())
            for text in (*logs.values(), doctor.stdout, doctor.stderr):
                assert PASSWORD not in text
                assert CREDENTIALS not in text
        targets = {line for line in proxy.output().splitlines() if "target" in line}
        assert targets == {f'{{"target": "receiver.test:{url.split(":")[2].split("/")[0]}"}}'}
    finally:
        proxy.kill9()
