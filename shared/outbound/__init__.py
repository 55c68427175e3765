"""HTTP to addresses that people typed in (providers, webhooks): never to a private network, never along a redirect."""
