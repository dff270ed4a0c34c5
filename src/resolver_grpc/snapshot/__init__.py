"""Snapshots as directories: a manifest, the index file it vouches for, and how both come to be in place.

What belongs here: manifest, opening and publishing. What the index file holds is the index's own matter.
"""
