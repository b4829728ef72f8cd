"""Networks: spec, data, layers, training, prediction."""
