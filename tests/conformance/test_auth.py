"""The authenticators under the kit."""

from pydantic import SecretStr

from argus_core import Presented
from argus_core.testing import AuthenticatorConformance


class TestApiKey(AuthenticatorConformance):
    plugin = "api_key"

    def credentials(self, authenticator):
        _, good = authenticator.create_key("alice", ("data",), None)
        record, revoked = authenticator.create_key("bob", ("data",), None)
        authenticator.revoke_key(record.id)
        wrong = good[:-8] + "AAAAAAAA"
        foreign = "eyJhbGciOiJIUzI1NiJ9.e30.signature"
        return {
            "good": Presented(api_key=SecretStr(good)),
            "wrong": Presented(bearer=SecretStr(wrong)),
            "revoked": Presented(bearer=SecretStr(revoked)),
            "foreign": Presented(bearer=SecretStr(foreign)),
        }


class TestOpen(AuthenticatorConformance):
    plugin = "open"

    def credentials(self, authenticator):
        return {"good": Presented()}
