"""What files that nobody has described hold, guessed from their headers and cells for a person to correct."""
