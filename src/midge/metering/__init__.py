"""From what was used to what it would cost: price lists, bills, and what they would be for other settings. Pure."""
