"""The bench of endings: every way in which a call ends, played on the real Asterisk, and the table of its verdicts."""
