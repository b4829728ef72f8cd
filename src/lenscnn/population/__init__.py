"""Who lenses whom: the populations of lenses, sources and subhaloes of each paper."""
