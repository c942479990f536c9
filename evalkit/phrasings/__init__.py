"""Wordings, pure: templates, prompts, perturbations."""
