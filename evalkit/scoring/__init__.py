"""Room 6: (task, prompt, instance, response) -> score, status and prediction; one file per metric family."""
