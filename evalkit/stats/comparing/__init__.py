"""Two samples or many: differences, tests, harm, ranks."""
