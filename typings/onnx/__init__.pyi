from typing import Any

class ModelProto:
    def SerializeToString(self) -> bytes: ...  # noqa: N802

class GraphProto: ...
class NodeProto: ...

class TensorProto:
    FLOAT: int
    INT32: int
    BOOL: int
    dims: Any

helper: Any
numpy_helper: Any
checker: Any
