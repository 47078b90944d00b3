"""The machine: matmul precision, distributed processes, CUDA graphs, CPU memory."""
