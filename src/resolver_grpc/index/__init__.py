"""The index of one snapshot: keys lead to owners, and owners to what is known of them.

What belongs here: the format on disk and the two ways of reading it. Keys come in as bytes; what they
were made of, and what follows from a candidate, is decided elsewhere.
"""
