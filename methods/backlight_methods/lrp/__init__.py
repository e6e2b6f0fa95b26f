"""Layer-wise relevance propagation, and excitation backprop."""
