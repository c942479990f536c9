"""what makes a model more robust, as a wrapper of a backend or as a trained adapter."""
