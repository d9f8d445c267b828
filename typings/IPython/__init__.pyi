# IPython comes with notebooks; nothing here installs it.
from typing import Any

def __getattr__(name: str) -> Any: ...
