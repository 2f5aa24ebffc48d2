"""From cells as a shop writes them to values: columns, numbers, moments, numbering, what is put right before."""
