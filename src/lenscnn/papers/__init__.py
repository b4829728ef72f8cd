"""The papers, a folder each. They import nothing of each other."""
