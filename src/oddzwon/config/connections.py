"""Where Asterisk, its records and the call log are."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from oddzwon.config.values import Section


class Ami(Section):
    """The manager interface of Asterisk: the user comes from asterisk-config's manager file."""

    host: str = Field("127.0.0.1", description="Address of the manager interface.")
    port: int = Field(5038, ge=1, le=65535, description="Its port.")
    username: str = Field("oddzwon", min_length=1, description="The manager user.")
    secret: SecretStr | None = Field(None, description="Its secret; better: secret_file.")
    secret_file: Path | None = Field(
        None,
        description="A file that holds the secret, readable by the service only.",
        examples=["/etc/oddzwon/ami.secret"],
    )
    ping_interval_s: float = Field(5.0, gt=0, le=60, description="A ping leaves this often, in seconds.")
    action_timeout_s: float = Field(5.0, gt=0, le=60, description="Longest wait for an answer, in seconds.")

    @model_validator(mode="after")
    def _one_secret(self) -> Ami:
        if (self.secret is None) == (self.secret_file is None):
            msg = "give either secret or secret_file"
            raise ValueError(msg)
        return self


class FastAgi(Section):
    """Where the dialplan reaches the service; loopback unless Asterisk runs elsewhere."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(4573, ge=0, le=65535, description="Port to listen on.")
    max_sessions: int = Field(500, ge=1, le=10_000, description="Calls in a flow at the same time; more are refused.")


class Log(Section):
    """The call log."""

    path: Path = Field(description="The SQLite database.", examples=["/var/lib/oddzwon/oddzwon.db"])
    key_file: Path = Field(
        description="The key of the objection register's HMAC; made by the service if it is not there.",
        examples=["/var/lib/oddzwon/number.key"],
    )
    socket: Path = Field(
        description="Unix socket through which the command line changes the log (mode 0600).",
        examples=["/run/oddzwon/oddzwon.sock"],
    )


class Missed(Section):
    """Asterisk's own durable records, for what happened while the service or its connection was away."""

    cel: Path | None = Field(
        None,
        description="What cel_custom_oddzwon.conf makes Asterisk write; without it such endings stay unknown.",
        examples=["/var/log/asterisk/cel-custom/oddzwon.csv"],
    )
    spool: Path | None = Field(
        None,
        description="The folder of the stand-in script: ODDZWON_SPOOL of oddzwon_settings.conf.",
        examples=["/var/spool/asterisk/oddzwon"],
    )
