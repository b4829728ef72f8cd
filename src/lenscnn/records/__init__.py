"""What products were made from, and what making them took."""
