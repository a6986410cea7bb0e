#!/bin/sh
# Derivatives are checked in the build that computes in double.
exec build/double/gander --headless tests/gradients.lua
