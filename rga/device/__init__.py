"""The machine: matmul precision, distributed processes, CUDA graphs, CPU memory.

The project's own: unlike the modules of docs/api, names here may change in any version.
"""
