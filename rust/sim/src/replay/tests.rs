//! Schedules, extension lists, and what is in a capture.
