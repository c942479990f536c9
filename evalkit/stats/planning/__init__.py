"""Before measuring: designs, power, budgets."""
