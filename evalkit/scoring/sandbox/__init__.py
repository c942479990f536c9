"""Where programs that a model wrote are run: what they may do, what they did,
and what stopped them.
"""
