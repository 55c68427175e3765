"""AWS Lambda entry points."""
