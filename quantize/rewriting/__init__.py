"""Exact rewriting of a float ONNX graph, before it is quantized."""
