"""Running a net, and its backward pass under rules."""
