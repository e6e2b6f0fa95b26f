"""The operations inside a net, and what a technique's backward pass does at them."""
