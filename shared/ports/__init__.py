"""What the core asks of the world: Protocols only, spoken in the domain's words. Adapters keep these promises."""
