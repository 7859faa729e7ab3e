"""Tests of the whole: launches, kills, browsers, packages."""
