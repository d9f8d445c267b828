"""People say which policies do the task better: in a web page, a terminal or a notebook.

All three sit at the same desk, which knows what to ask and where answers go. Nothing here needs
JAX; only the web page needs the extra ``label``.
"""
