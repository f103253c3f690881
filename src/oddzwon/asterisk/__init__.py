"""The rooms that know Asterisk: AMI, FastAGI, channel variables, dial strings.

`ami` is the manager connection (events in order, actions with their fate), `fastagi` takes the calls that the
dialplan hands over, `agi_session` is one such call. `*_wire` parse and build bytes and do no I/O. `errors` holds
the exception tree. panoramisk carries both protocols; each of its defects is mended here and shown in
tests/protocol.
"""
