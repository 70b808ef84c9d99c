//! Whole-system stories: the real binary, a real browser.
