"""The only place that builds concrete things: from the settings to the rooms, and back in order when it ends."""
