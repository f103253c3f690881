"""The operator's settings: one TOML file, every value checked, every default the law's or the safest one.

``oddzwon init`` writes the commented template from these very fields, and a test holds template, README and fields
together. A mistake names file, key, what is wrong and an example (:class:`ConfigError`).
"""

from __future__ import annotations

from oddzwon.config.loading import config_path, load
from oddzwon.config.menu import Did, MenuOption
from oddzwon.config.settings import Settings
from oddzwon.config.values import ConfigError, in_language

__all__ = ["ConfigError", "Did", "MenuOption", "Settings", "config_path", "in_language", "load"]
