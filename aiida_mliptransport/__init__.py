"""AiiDA workflows from a structure and a level of theory to ion-transport numbers."""

__version__ = "0.1.0"
