"""Scripts are read once, and called by digest with the text as the fallback."""

import hashlib

from gateway.store import scripts


def test_a_script_is_its_file_and_its_digest() -> None:
    script = scripts.load("append")
    assert script.text.startswith("#!lua")
    assert script.sha == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()
    assert scripts.load("append") is script
