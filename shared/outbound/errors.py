"""The one way in which a call outside fails without an answer."""


class Unreachable(Exception):
    """There was no answer that could be used. Says nothing of the URL, which may hold a secret, nor of what was answered.

    Attributes:
        reached: False if the request surely never left: no name, no permitted address, no connection, no TLS. Then nothing
            was used up on the other side. True means that it may have been carried out.
    """

    def __init__(self, reason: str, *, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached
