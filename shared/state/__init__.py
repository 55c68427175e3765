"""DynamoDB through PynamoDB: models and the repositories that keep ports.state's promises."""
