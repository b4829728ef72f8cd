"""What data tell of parameters: Fisher information, bounds on errors, and fits that reach them."""
