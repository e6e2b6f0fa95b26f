"""What a model can be asked to do, and how a study of each goes: one module for each task."""
