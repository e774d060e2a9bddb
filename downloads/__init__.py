"""The parts of the downloader: sources, the transfer, checks, publishing. ``downloader.py`` is its face."""
