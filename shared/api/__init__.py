"""The HTTP routes: Powertools routers, pydantic schemas, problem details. One set for both hosts; no cloud SDK."""
