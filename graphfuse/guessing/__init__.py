"""What the columns of a table are, guessed from what they hold (`graphfuse init`)."""
