"""What a real Asterisk said, and how to hear it again: see README.md."""
