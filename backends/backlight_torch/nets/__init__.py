"""What users call a model, however it is written: as nets that are called in one way."""
