"""Receivers to run and to copy from; they may need more than the package does (a web server), and say so."""
