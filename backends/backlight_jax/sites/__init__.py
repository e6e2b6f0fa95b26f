"""Names for the values and operations of a net, as the user would say them."""
