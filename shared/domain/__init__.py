"""The nouns of Farshore: frozen values without I/O. Nothing here imports another room, an SDK or the environment."""
