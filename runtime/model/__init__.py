"""The artifact: one ONNX file that carries everything, and its network."""
