"""What can go wrong between the service and Asterisk.

AsteriskError
├── AmiError
│   ├── AmiNotSent              the action certainly never left: it may be tried anew
│   │   └── AmiUnsafeValue      (also a ValueError) CR, LF or NUL in a name or value, or too long a line
│   ├── AmiFateUnknown          the action left, no answer came: look it up at Asterisk, never send it again blindly
│   │   └── AmiTimeout          the same, because the answer did not come in time; the connection lives on
│   ├── AmiRefused              Asterisk answered a list action with an error
│   ├── AmiConnectionError      this connection cannot go on; the client connects anew
│   │   ├── AmiBannerError      whoever listens there is no Asterisk manager
│   │   ├── AmiProtocolError    a message too long, or an answer that makes no sense
│   │   ├── AmiKeepaliveError   a ping was not answered in time
│   │   └── AmiOverflow         events came faster than they were consumed
│   └── AmiAuthenticationError  fatal: user, secret or ACL are wrong; the client does not try again
└── AgiError
    ├── AgiEnded                nothing more can be said on this session
    │   ├── AgiHangup           the call is over: the expected end of a flow
    │   ├── AgiClosed           the connection is gone and Asterisk did not say that the call is
    │   ├── AgiTimeout          Asterisk did not answer a command in time
    │   └── AgiProtocolError    the peer does not speak AGI, or answers that nobody asked for
    ├── AgiCommandFailed        Asterisk understood, could not do it, and the call is still up
    ├── AgiInvalidCommand       510 or 520: unknown command or wrong syntax, a mistake of ours
    └── AgiUnsafeValue          (also a ValueError) CR, LF, NUL, or too long a command; nothing was sent

AgiDeadChannel (511) is an AgiHangup: a command that needs a living channel found none.
No message quotes a field's value: it could be somebody's number.
"""

from __future__ import annotations


class AsteriskError(Exception):
    """Base of everything that this package raises."""


class AmiError(AsteriskError):
    """Base of the manager interface's errors."""


class AmiNotSent(AmiError):
    """The action certainly never left this process."""


class AmiUnsafeValue(AmiNotSent, ValueError):
    """A name or value would have injected headers, or Asterisk would have cut the line (main/manager.c)."""


class AmiFateUnknown(AmiError):
    """The action left, its answer did not come. Whether Asterisk did it must be looked up."""

    def __init__(self, message: str, action: str, action_id: str) -> None:
        super().__init__(message)
        self.action = action
        self.action_id = action_id


class AmiTimeout(AmiFateUnknown):
    """The answer did not come within the time limit; a late one is dropped."""


class AmiRefused(AmiError):
    """Asterisk answered `Response: Error` where a list was asked for; `text` is Asterisk's own message."""

    def __init__(self, action: str, text: str) -> None:
        super().__init__(f"Asterisk refused the AMI action {action}: {text or 'no reason given'}")
        self.action = action
        self.text = text


class AmiConnectionError(AmiError):
    """This connection cannot go on; the client makes a new one after its back-off."""


class AmiBannerError(AmiConnectionError):
    """The first line was not that of an Asterisk manager."""


class AmiProtocolError(AmiConnectionError):
    """A message was longer than allowed, or contradicts the protocol."""


class AmiKeepaliveError(AmiConnectionError):
    """A ping was not answered in time: the connection is half open."""


class AmiOverflow(AmiConnectionError):
    """The queue of notices is full: the consumer is slower than Asterisk, so the connection is given up."""


class AmiAuthenticationError(AmiError):
    """Asterisk refused the login. Fatal: trying again cannot help."""


class AgiError(AsteriskError):
    """Base of the FastAGI side's errors."""


class AgiEnded(AgiError):
    """Nothing more can be said on this session; every later command raises the same."""


class AgiHangup(AgiEnded):
    """The call is over (in-band HANGUP, -1 on a channel that is gone): the expected end of a call flow."""


class AgiDeadChannel(AgiHangup):
    """511: the command needs a living channel and there is none (res/res_agi.c, agi_handle_command)."""


class AgiClosed(AgiEnded):
    """End of file without a word of a hang-up: Asterisk stopped, or the connection broke."""


class AgiTimeout(AgiEnded):
    """No answer in time. The session is given up, since a late answer would be taken for the next one."""


class AgiProtocolError(AgiEnded):
    """What came is no AGI: garbage, a line without an end, or an answer to nothing."""


class AgiCommandFailed(AgiError):
    """Asterisk answered -1 or -2 while the channel is still up."""


class AgiInvalidCommand(AgiError):
    """510 (unknown command) or 520 (wrong syntax); `usage` is what Asterisk said about it."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class AgiUnsafeValue(AgiError, ValueError):
    """An argument holds CR, LF or NUL, or the command is longer than Asterisk reads (2047 bytes)."""
