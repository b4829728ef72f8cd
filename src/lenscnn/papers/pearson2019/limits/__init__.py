"""The least errors that any method could have on pearson2019's images, beside its networks."""
