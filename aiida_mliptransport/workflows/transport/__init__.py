"""From a potential to ion transport, with error bars that join sampling and committee."""

from .workchain import TransportWorkChain

__all__ = ["TransportWorkChain"]
