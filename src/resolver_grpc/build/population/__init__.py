"""Made-up populations, and the slow reading of the rules that says what their queries should give.

What belongs here: the generator's tables and queries, and a brute force that reads the domain rules on its
own. Nothing of ``canonical``, ``keys``, ``policy``, ``resolve``, ``index`` or ``times`` is imported: a mistake
in those must not be repeated here.
"""
