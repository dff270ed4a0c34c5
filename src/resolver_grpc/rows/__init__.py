"""What a row says: cells to values, rows of persons, mailboxes and relations to what they tell of an owner.

What belongs here: the reading of what stands in a table's row or, in the same words, in a change. Which rows go
together, and what follows when one can't be read, is the builder's; what a change does to an owner ``changes``'s.
"""
