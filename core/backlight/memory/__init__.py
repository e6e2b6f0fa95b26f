"""What was found out about a net, for as long as it is the net that it was found out about."""
