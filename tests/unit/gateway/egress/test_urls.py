import pytest
from hypothesis import given, strategies

from gateway.egress import urls
from gateway.egress.errors import UrlRefused


def test_parts_of_an_external_url() -> None:
    assert urls.parse("https://example.com:8443/x?y=1&z=%20", "external") == urls.EndpointUrl(
        scheme="https",
        host="example.com",
        port=8443,
        target="/x?y=1&z=%20",
        host_header="example.com:8443",
        address=None,
    )


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "host_header", "address"),
    [
        ("http://payments:8080/hook", "payments", 8080, "/hook", "payments:8080", None),
        ("http://printer.local", "printer.local", 80, "/", "printer.local", None),
        ("http://localhost:80/", "localhost", 80, "/", "localhost", None),
        ("https://a.b:443?q", "a.b", 443, "/?q", "a.b", None),
        ("http://127.0.0.1:9000/", "127.0.0.1", 9000, "/", "127.0.0.1:9000", "127.0.0.1"),
        ("http://[::1]:9000/", "::1", 9000, "/", "[::1]:9000", "::1"),
        ("https://[fd00::1]/", "fd00::1", 443, "/", "[fd00::1]", "fd00::1"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80, "/", "xn--bcher-kva.example", None),
    ],
)
def test_parts_of_an_internal_url(
    text: str, host: str, port: int, target: str, host_header: str, address: str | None
) -> None:
    url = urls.parse(text, "internal")
    assert (url.host, url.port, url.target, url.host_header, url.address) == (
        host,
        port,
        target,
        host_header,
        address,
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "url_scheme"),
        ("example.com", "url_scheme"),
        ("HTTPS://example.com/", "url_scheme"),
        ("https:/example.com/", "url_scheme"),
        ("ftp://example.com/", "url_scheme"),
        ("http://example.com/", "url_scheme"),
        ("https://Example.com/", "url_host"),
        ("https://example.com./", "url_host"),
        ("https://example/", "url_host"),
        ("https://a.home.arpa/", "url_host"),
        ("https://foo.0x7f/", "url_host"),
        ("https://foo.1/", "url_host"),
        ("https://foo.0x/", "url_host"),
        ("https://1.2.3/", "url_host"),
        ("https://" + "a" * 63 + ".com/", ""),
        ("https://" + ".".join(["a" * 60] * 5) + "/", "url_host"),
        ("https://[::1", "url_port"),
        ("https://[::1]x/", "url_host"),
        ("https://[fe80::1%25eth0]/", "url_host"),
        ("https://[2606:4700:4700:0::1111]/", "url_host"),
        ("https://[2606:4700:4700::111A]/", "url_host"),
        ("https://example.com:/", "url_port"),
        ("https://example.com:0443/", "url_port"),
        ("https://example.com:65536/", "url_port"),
        ("https://example.com:6379/", "url_port"),
        ("https://example.com\\@127.0.0.1/", "url_userinfo"),
        ("https://example.com\\.evil.example/", "url_host"),
        ("https://example.com/\\x", "url_characters"),
        ("https://example.com/a|b", "url_characters"),
        ("https://example.com/?a[]=1", "url_characters"),
        ("https://example.com/%", "url_characters"),
        ("https://example.com/%g0", "url_characters"),
        ("https://example.com/\n", "url_characters"),
        ("https://example.com/\x00", "url_characters"),
        ("https://example.com/\x7f", "url_characters"),
        ("https://example.com\r\nhost: x", "url_characters"),
        ("https://example.com/#", "url_fragment"),
        ("https://example.com/" + "a" * 2_028, ""),
        ("https://example.com/" + "a" * 2_029, "url_length"),
    ],
)
def test_refusals_carry_the_code_of_the_part_at_fault(text: str, code: str) -> None:
    if not code:
        urls.parse(text, "external")
        return
    with pytest.raises(UrlRefused) as caught:
        urls.parse(text, "external")
    assert caught.value.code == code


def test_refusal_of_user_information_repeats_no_password() -> None:
    with pytest.raises(UrlRefused) as caught:
        urls.parse("https://user:hunter2@example.com/", "external")
    assert "hunter2" not in caught.value.reason


def test_refusal_names_the_value_and_the_way_out() -> None:
    with pytest.raises(UrlRefused, match=r"'redis' is a local name.*subscribers of kind internal"):
        urls.parse("https://redis/", "external")
    with pytest.raises(UrlRefused, match=r"write the address as \[::1\]"):
        urls.parse("https://[0::1]/", "internal")


def test_a_long_value_is_shortened_in_the_reason() -> None:
    with pytest.raises(UrlRefused) as caught:
        urls.parse("https://" + "A" * 500 + "/", "external")
    assert len(caught.value.reason) < 250


@given(strategies.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for candidate in (text, f"https://{text}", f"https://example.com{text}"):
        try:
            url = urls.parse(candidate, "external")
        except UrlRefused:
            continue
        assert candidate.isascii()
        assert url.scheme == "https"
        assert url.target.startswith("/")
        assert url.host in candidate


@given(strategies.from_regex(r"[a-z0-9.x:\[\]@%\\/?#-]{1,30}", fullmatch=True))
def test_what_is_accepted_is_the_text_itself(authority: str) -> None:
    text = f"https://{authority}"
    try:
        url = urls.parse(text, "internal")
    except UrlRefused:
        return
    spellings = {f"https://{url.host_header}{port}{url.target}" for port in ("", ":443")}
    assert spellings & {text, f"{text}/", text.replace("?", "/?", 1)}
