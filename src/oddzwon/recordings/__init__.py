"""Recordings at rest: sealed files, the operator's keys that theirs are wrapped with, and the folder they lie in.

This room knows neither the log nor Asterisk: it is given paths, ids and keys. The form of a sealed file, so that a
stranger could open one: ``sealing.md`` beside this file. Errors: :mod:`oddzwon.recordings.errors`.
"""
