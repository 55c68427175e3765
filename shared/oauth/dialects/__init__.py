"""How each house departs from the standard: data, and the client library that speaks to it."""
