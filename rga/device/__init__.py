"""What training and evaluation ask of the machine: precision, several processes, CUDA graphs, memory of a CPU."""
