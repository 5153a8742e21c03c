"""What folders of images and of texts have in common: where members lie, in archives too, their order and labels."""
