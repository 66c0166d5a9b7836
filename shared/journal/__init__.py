"""The journal, to be read: stories, where they stand, and what they say in words.

``services/journal`` writes it; the command and the console read it here, with the same words.
"""
