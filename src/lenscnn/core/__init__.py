"""What everything rests on: conventions, cosmology, files, devices."""
