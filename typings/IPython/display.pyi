# IPython comes with notebooks, and is absent from the core environment that types are checked in.
from typing import Any

def __getattr__(name: str) -> Any: ...
