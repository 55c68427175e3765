"""The composition root: settings, container, logging. The only room that reads the environment."""
