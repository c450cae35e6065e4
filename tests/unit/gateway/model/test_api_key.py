"""API keys: what a scope allows."""

from gateway.model.api_key import SCOPES, ApiKey


def test_admin_includes_every_scope_and_others_only_themselves() -> None:
    for scope in SCOPES:
        assert ApiKey("key_1", "k", ("admin",)).allows(scope)
        assert [other for other in SCOPES if ApiKey("key_1", "k", (scope,)).allows(other)] == (
            list(SCOPES) if scope == "admin" else [scope]
        )
    assert not any(ApiKey("key_1", "k", ()).allows(scope) for scope in SCOPES)
