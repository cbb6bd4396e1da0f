"""Changes planted in the backward code, one at a time, to see whether the tests notice."""
