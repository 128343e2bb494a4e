"""Test tool only: takes the place of DeePMD-kit's package for the models of the test's ``dp``."""
