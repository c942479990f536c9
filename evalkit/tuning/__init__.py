"""What changes weights: methods of ``evalkit align``, their training, and weight arms."""
