"""A framework's net, seen through a few verbs."""
