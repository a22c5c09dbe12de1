"""A trained head, or the whole way from a waveform to its answer, as one ONNX file: ``profiling[onnx]``.

bundle -> graph (a torch module with the answer's own names) -> ONNX with metadata -> compared in onnxruntime -> file
"""
