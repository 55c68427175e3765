"""The verbs: each use case is one page that speaks in ports and nouns, and knows no cloud."""
