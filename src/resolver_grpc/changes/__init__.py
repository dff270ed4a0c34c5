"""What happens to owners between two snapshots: events, what they do to an owner, and the log that keeps them.

What belongs here: one event after the other, each for one owner. Nothing of it counts in a decision yet.
"""
