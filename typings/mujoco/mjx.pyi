# MuJoCo ships no type information; this says so in one place.
from typing import Any

def __getattr__(name: str) -> Any: ...
