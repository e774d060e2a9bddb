"""What a model file is: formats, their headers, names that files may have. Pure."""
