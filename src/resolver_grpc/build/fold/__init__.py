"""Changes folded into a build: what the log tells after the tables were exported, as edits of their rows and facts."""
