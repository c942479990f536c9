"""tables, figures, page and leaderboard; numbers come in, nothing is computed."""
