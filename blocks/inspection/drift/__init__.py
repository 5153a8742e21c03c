"""What has changed since the rows that a model was trained on."""
