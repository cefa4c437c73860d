"""JWTs as the tool `nsc` makes them: an operator, its accounts, and a user with a file of credentials."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

_ANY = -1
_LIMITS = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _ANY),
    "wildcards": True,
}
_JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _ANY)
_ACCOUNT = {"limits": {**_LIMITS, **_JETSTREAM}, "default_permissions": {"pub": {}, "sub": {}}}
_SYSTEM = {"limits": _LIMITS}
_USER = {"pub": {}, "sub": {}, "subs": _ANY, "data": _ANY, "payload": _ANY}


class Keys:
    """A pair of keys of a kind."""

    def __init__(self, nkeys: Any, kind: str) -> None:
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), getattr(nkeys, f"PREFIX_BYTE_{kind.upper()}"))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.kind = kind
        self.public: str = self._pair.public_key.decode()

    def says(self, subject: Keys, claims: dict[str, Any]) -> str:
        """A JWT about somebody, signed by this pair."""
        about = {
            "jti": os.urandom(16).hex(),
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject.public,
            "name": subject.kind,
            "nats": {**claims, "type": subject.kind, "version": 2},
        }
        parts = [_encoded(json.dumps(part)) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, about)]
        signed = ".".join(parts)
        return f"{signed}.{_encoded(self._pair.sign(signed.encode()))}"


def _encoded(part: str | bytes) -> str:
    data = part if isinstance(part, bytes) else part.encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Operator:
    """An operator with an account that has JetStream."""

    def __init__(self, nkeys: Any) -> None:
        self._nkeys = nkeys
        operator, self._account, system = (Keys(nkeys, kind) for kind in ("operator", "account", "account"))
        accounts = {
            self._account.public: operator.says(self._account, _ACCOUNT),
            system.public: operator.says(system, _SYSTEM),
        }
        preload = "\n".join(f"{public}: {jwt}" for public, jwt in accounts.items())
        self.settings = (
            f"operator: {operator.says(operator, {})}\nsystem_account: {system.public}\n"
            f"resolver: MEMORY\nresolver_preload {{\n{preload}\n}}"
        )
        """The lines of a server's configuration."""

    def credentials(self, path: Path) -> Path:
        """Writes the file of a new user."""
        user = Keys(self._nkeys, "user")
        jwt = self._account.says(user, _USER)
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n",
            encoding="utf-8",
        )
        return path
