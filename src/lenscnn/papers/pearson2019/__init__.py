"""Pearson et al. 2019: Einstein radius and ellipticity of lenses in survey images."""
